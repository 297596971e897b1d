"""Pose regression: Huber loss on position in standard units, cosine and sine of the angle."""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from worldmodel.model.pose import PoseRegressor, pose_errors
from worldmodel.model.tokenizer import to_float
from worldmodel.train.config import TrainConfig
from worldmodel.train.objectives.inverse_dynamics import disturb
from worldmodel.train.pictures import save_sheet

JUDGED = 1024  # held-out frames in the figures
DISTURBED = 0.5  # share of the frames shown blurred and in other light
BEND = 0.2  # of a standard unit: smaller errors are squared


class PoseLoss:
    """Frames uint8 [n H W 3] with poses float32 [n 3]: x, y, degrees."""

    def __init__(
        self, frames: np.ndarray, poses: np.ndarray, heldout: np.ndarray,
        heldout_poses: np.ndarray, config: TrainConfig,
    ) -> None:  # fmt: skip
        self.frames, self.poses, self.seed = frames, poses, config.seed
        self.frames_per_step = config.batch
        judged = np.linspace(0, len(heldout_poses) - 1, min(JUDGED, len(heldout_poses)), dtype=int)
        self.heldout = torch.from_numpy(heldout[judged])
        self.heldout_poses = torch.from_numpy(heldout_poses[judged])

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Frames uint8 [b H W 3] and poses [b 3]."""
        draw = np.random.default_rng((self.seed, step))
        chosen = np.sort(draw.integers(len(self.poses), size=self.frames_per_step))
        return torch.from_numpy(self.frames[chosen]), torch.from_numpy(self.poses[chosen])

    def loss(
        self, network: PoseRegressor, batch: tuple[Tensor, ...], step: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        frames, poses = batch
        draw = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        pictures = disturb(to_float(frames)[:, None], DISTURBED, draw)[:, 0]
        place, heading = target(network, poses).split(2, dim=1)
        guess = network(pictures)
        where = F.huber_loss(guess[:, :2], place, delta=BEND)
        angle = F.huber_loss(guess[:, 2:], heading, delta=BEND)
        return where + angle, {"place": where.detach(), "heading": angle.detach()}

    @torch.no_grad()
    def validate(self, network: PoseRegressor) -> dict[str, float]:
        """Median and mean error on held-out frames, in map units and degrees."""
        guess = torch.cat([network.poses(to_float(x)) for x in self.heldout.split(64)])
        errors = pose_errors(guess, self.heldout_poses)
        (place, angle), (far, wide) = errors.median(dim=0).values.tolist(), errors.mean(0).tolist()
        return {
            "median_units": place, "median_degrees": angle,
            "mean_units": far, "mean_degrees": wide,
        }  # fmt: skip

    @torch.no_grad()
    def draw(self, network: PoseRegressor, path: Path) -> None:
        """Held-out frames from the best placed to the worst."""
        guess = torch.cat([network.poses(to_float(x)) for x in self.heldout.split(64)])
        order = pose_errors(guess, self.heldout_poses)[:, 0].argsort()
        chosen = order[torch.linspace(0, len(order) - 1, min(8, len(order))).long()]
        save_sheet([self.heldout[chosen].numpy()], path, scale=2)


def target(network: PoseRegressor, poses: Tensor) -> Tensor:
    """Poses [b 3] in the network's terms [b 4]."""
    place = (poses[:, :2] - network.middle) / network.extent
    angle = torch.deg2rad(poses[:, 2:])
    return torch.cat([place, angle.cos(), angle.sin()], dim=1)

"""Inverse dynamics: binary cross-entropy of each button, squared error of each axis.

Some of the clips are shown blurred and in other light, so that keys are read from motion and not
from a sharpness that dreams lack.
Shapes: b clips, t frames, m controls, H W pixels.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from worldmodel.data.clips import ClipSampler, FrameStore, gather, known
from worldmodel.model.inverse_dynamics import InverseDynamics
from worldmodel.model.tokenizer import to_float
from worldmodel.train.config import TrainConfig
from worldmodel.train.metrics import key_scores
from worldmodel.train.pictures import save_sheet

JUDGED = 128  # held-out clips in the figures
DRAWN = 4  # held-out clips in the pictures
LIGHT = 0.2  # largest change of contrast and of brightness


@dataclass(frozen=True, kw_only=True)
class InverseConfig:
    """What the objective draws."""

    clip: int = 16  # frames
    moving: float = 0.5  # share of the clips drawn in proportion to their motion
    disturbed: float = 0.5  # share of the clips shown blurred and in other light


class InverseDynamicsLoss:
    """Clips of prepared frames; transitions whose controls are unknown (NaN) teach nothing."""

    def __init__(
        self, store: FrameStore, heldout: FrameStore, config: TrainConfig, draws: InverseConfig
    ) -> None:
        self.store, self.draws, self.seed, self.count = store, draws, config.seed, config.batch
        self.frames_per_step = config.batch * draws.clip
        self.sampler = ClipSampler(
            store.episodes, store.motion, length=draws.clip, seed=config.seed, moving=draws.moving,
            usable=known(store),
        )  # fmt: skip
        starts = ClipSampler(
            heldout.episodes, heldout.motion, length=draws.clip, seed=1, usable=known(heldout)
        ).draw(0, JUDGED)
        self.heldout = clips(heldout, starts, draws.clip)

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Frames uint8 [b t H W 3] and controls float32 [b t m]."""
        return clips(self.store, self.sampler.draw(step, self.count), self.draws.clip)

    def loss(
        self, network: InverseDynamics, batch: tuple[Tensor, ...], step: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        frames, controls = batch
        draw = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        pictures = disturb(to_float(frames), self.draws.disturbed, draw)
        guess, truth = network(pictures), controls[:, 1:]
        buttons = len(network.config.buttons)
        loss = F.binary_cross_entropy_with_logits(guess[..., :buttons], truth[..., :buttons])
        if network.config.axes:
            error = (guess[..., buttons:] - truth[..., buttons:]) / network.unit
            loss = loss + error.square().mean()
        right = (guess[..., :buttons] > 0) == (truth[..., :buttons] > 0.5)
        return loss, {"right": right.float().mean()}

    @torch.no_grad()
    def validate(self, network: InverseDynamics) -> dict[str, float]:
        """F1 of each button and their mean, on held-out clips drawn evenly."""
        guess, truth = self._heldout(network)
        scores = key_scores(truth > 0.5, guess > 0)["f1"]
        named = dict(zip(network.config.buttons, scores.tolist(), strict=True))
        return {"f1": float(scores.nanmean()), **named}

    def _heldout(self, network: InverseDynamics) -> tuple[Tensor, Tensor]:
        """Logits and truth [b t-1 buttons]."""
        frames, controls = self.heldout
        guess = torch.cat([network(to_float(part)) for part in frames.split(8)])
        return tuple(x[..., : len(network.config.buttons)] for x in (guess, controls[:, 1:]))

    @torch.no_grad()
    def draw(self, network: InverseDynamics, path: Path) -> None:
        """Clips with a bar for each button: green if read, red if missed, blue if imagined."""
        guess, truth = (x[:DRAWN] for x in self._heldout(network))
        rows = [
            marked(frames[1:].numpy(), held.numpy() > 0.5, read.numpy() > 0)
            for frames, held, read in zip(self.heldout[0][:DRAWN], truth, guess, strict=True)
        ]
        save_sheet(rows, path)


def clips(store: FrameStore, starts: np.ndarray, length: int) -> tuple[Tensor, Tensor]:
    """Frames uint8 [b t H W 3] and controls float32 [b t m] of the clips that start at rows [b]."""
    frames, controls = (gather(array, starts, length) for array in (store.frames, store.controls))
    return torch.as_tensor(frames), torch.as_tensor(controls).float()


def disturb(pictures: Tensor, share: float, draw: torch.Generator) -> Tensor:
    """Clips [b t 3 H W], of which `share` are blurred and all of those change their light."""
    b, (height, width) = len(pictures), pictures.shape[-2:]
    chosen = torch.rand(b, generator=draw) < share
    contrast, brightness = (LIGHT * (2 * torch.rand(2, b, generator=draw) - 1)).unbind()
    shown = pictures.clone()
    for i in chosen.nonzero().flatten():
        small = F.avg_pool2d(pictures[i], 2, ceil_mode=True)
        soft = F.interpolate(small, size=(height, width), mode="bilinear")
        shown[i] = ((soft - 0.5) * (1 + contrast[i]) + 0.5 + brightness[i]).clamp(0, 1)
    return shown


def marked(frames: np.ndarray, truth: np.ndarray, guess: np.ndarray) -> np.ndarray:
    """Frames uint8 [t H W 3] with a bar below for each button, from bool [t m]."""
    t, _, width, _ = frames.shape
    colours = np.zeros((*truth.shape, 3), np.uint8)
    colours[truth & guess], colours[truth & ~guess] = (60, 200, 60), (220, 40, 40)
    colours[~truth & guess] = (60, 90, 240)
    bars = colours.repeat(6, axis=1)[:, :, None].repeat(width, axis=2)
    bars[:, ::6] = 40
    return np.concatenate([frames, bars.reshape(t, -1, width, 3)], axis=1)

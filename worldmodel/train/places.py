"""The judge of places: what a game's own map looks like from everywhere that was played.

Nothing is trained by descent. Recordings hold no poses: the game plays the episodes again, small,
and tells them.
Shapes: n frames, t frames of a clip, p numbers of a small picture, d components, H W pixels.
"""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from worldmodel.checkpoint import POSE, load_network, save_network
from worldmodel.data.atomic import write_json
from worldmodel.data.clips import FrameStore
from worldmodel.data.progress import Progress
from worldmodel.data.replay import recorded_poses, require_pose
from worldmodel.errors import UserError
from worldmodel.games.catalogue import open_game
from worldmodel.model.pose import PoseConfig, PoseRegressor, pose_errors, standardised
from worldmodel.model.tokenizer import to_float
from worldmodel.train.log import figures_line
from worldmodel.train.stages import note_configuration

SMALL = 4  # times smaller are the pictures of a game that is only asked for its poses
ALIKE = 5, 2  # parts of a step within which one picture stands for all: of units, of degrees
FEW = 12_000  # pictures whose principal components are taken
BATCH = 512
JUDGED, AHEAD = 64, 16  # held-out clips in the figures, and their frames


def train_pose(data: Path, run: Path, sizes: PoseConfig, *, episodes: int = 0) -> PoseRegressor:
    """Learn the map of `data/train`; ends with `run/pose.safetensors` and `run/heldout.json`.

    The game plays the first `episodes` again (0: all, and all held-out ones to judge by). Raises
    UserError when the game is not there, tells no poses or does not replay.
    """
    if episodes < 0:
        raise UserError(f"episodes must be at least 1, or 0 for all, found {episodes}")
    store, heldout = FrameStore(data / "train"), FrameStore(data / "heldout")
    note_configuration(run, {"pose": dataclasses.replace(sizes, game=store.game)})
    with open_game(store.game, small_of(store.size)) as game:
        require_pose(game)
        poses = recorded_poses(game, store, episodes, run / "poses-train.npy")
        judged = recorded_poses(game, heldout, 0, run / "poses-heldout.npy")
    found = learn_map(store, poses, sizes)
    save_network(run / POSE, found)
    figures = pose_figures(found, heldout, judged)
    write_json(run / "heldout.json", figures)
    print(f"knows {len(found.known)} pictures; held-out  {figures_line(figures)}", flush=True)
    return found


def small_of(size: tuple[int, int]) -> tuple[int, int]:
    """A smaller size of the same shape, if there is one."""
    whole = not any(side % SMALL or side < 8 * SMALL for side in size)
    return (size[0] // SMALL, size[1] // SMALL) if whole else size


def learn_map(store: FrameStore, poses: np.ndarray, sizes: PoseConfig) -> PoseRegressor:
    """A regressor that knows the store's first frames, whose poses [n 3] are given."""
    step = largest_step(store, poses)
    kept = different(poses, step)
    sizes = dataclasses.replace(sizes, game=store.game, pictures=len(kept))
    found = PoseRegressor(sizes)
    few = kept[np.linspace(0, len(kept) - 1, min(FEW, len(kept)), dtype=int)]
    seen = torch.cat(list(_small_pictures(store, few, sizes)))
    found.mean.copy_(seen.mean(0))
    centred = seen - found.mean
    _, vectors = torch.linalg.eigh(centred.T @ centred / len(seen))  # ascending
    found.basis.copy_(vectors.flip(1)[:, : sizes.components])
    progress, at = Progress("map", len(kept), "frames"), 0
    for small in _small_pictures(store, kept, sizes):
        found.codes[at : at + len(small)] = ((small - found.mean) @ found.basis).half()
        at += len(small)
        progress.advance(len(small))
    progress.finish()
    found.known.copy_(torch.as_tensor(poses[kept]))
    found.step.copy_(torch.as_tensor(step))
    return found.eval()


def largest_step(store: FrameStore, poses: np.ndarray) -> np.ndarray:
    """Units and degrees float32 [2] that a thousandth of the frames exceed from the one before."""
    a, b = torch.as_tensor(poses[:-1]), torch.as_tensor(poses[1:])
    steps = pose_errors(a, b).numpy()
    starts = [span.start for span in store.episodes if 0 < span.start < len(poses)]
    steps = np.delete(steps, np.array(starts, int) - 1, axis=0)
    return np.quantile(steps, 0.999, axis=0).clip(1e-3).astype(np.float32)


def different(poses: np.ndarray, step: np.ndarray) -> np.ndarray:
    """The first frame, int64 [m], of each small cell of poses [n 3]."""
    cell = step / ALIKE
    cells = np.floor(poses / [cell[0], cell[0], cell[1]]).astype(np.int64)
    return np.sort(np.unique(cells, axis=0, return_index=True)[1])


def _small_pictures(store: FrameStore, rows: np.ndarray, sizes: PoseConfig) -> Iterator[Tensor]:
    """Small pictures [b p] of these rows, a batch at a time."""
    for start in range(0, len(rows), BATCH):
        frames = torch.as_tensor(store.frames[rows[start : start + BATCH]])
        yield standardised(to_float(frames), (sizes.height, sizes.width))


@torch.inference_mode()
def pose_figures(pose: PoseRegressor, store: FrameStore, poses: np.ndarray) -> dict[str, float]:
    """Errors on clips of real frames, each picture by itself and followed from a known pose."""
    draw, found = np.random.default_rng(0), {"alone": [], "followed": []}
    spans = [span for span in store.episodes if span.stop - span.start > AHEAD]
    if not spans:
        raise UserError(f"no episode in {store.folder} has {AHEAD + 1} frames to judge poses on")
    for i in range(JUDGED):
        span = spans[i % len(spans)]
        at = int(draw.integers(span.start, span.stop - AHEAD))
        rows = slice(at + 1, at + 1 + AHEAD)
        pictures = to_float(torch.as_tensor(np.array(store.frames[rows])))
        truth = torch.as_tensor(poses[rows])
        found["alone"].append(pose_errors(pose.poses(pictures), truth))
        followed = pose.follow(pictures, torch.as_tensor(poses[at]))
        found["followed"].append(pose_errors(followed, truth))
    figures = {}
    for name, errors in found.items():
        whole = torch.cat(errors)
        for kind, (units, degrees) in {
            "median": whole.median(0).values.tolist(), "mean": whole.mean(0).tolist(),
        }.items():  # fmt: skip
            figures |= {f"{name}_{kind}_units": units, f"{name}_{kind}_degrees": degrees}
    return figures


def load_pose(path: Path) -> PoseRegressor:
    """The regressor of a run folder or of a file. Raises UserError."""
    path = path / POSE if path.is_dir() else path
    if not path.is_file():
        raise UserError(f"{path} is missing; make it with worldmodel train pose")
    return load_network(path, PoseRegressor, PoseConfig)

"""The stage of an atlas: the map of a game that tells poses and walls, and how one walks there.

Nothing is trained by descent. Recordings hold no poses: the game plays the episodes again and tells
them. Pictures are kept of every place and view angle, and a stride is fitted to the poses.
Shapes: n frames, m walls, f features of a stride.
"""

from pathlib import Path

import numpy as np
import torch

from worldmodel.checkpoint import ATLAS, save_network
from worldmodel.data.atomic import write_json
from worldmodel.data.clips import FrameStore
from worldmodel.data.provenance import source_of
from worldmodel.data.replay import recorded_poses, require_pose
from worldmodel.errors import UserError
from worldmodel.games.base import Game
from worldmodel.games.catalogue import open_game
from worldmodel.model.atlas import Atlas, atlas_of
from worldmodel.model.camera import CameraConfig
from worldmodel.model.tokenizer import to_float
from worldmodel.train.log import figures_line
from worldmodel.train.places import small_of
from worldmodel.train.stages import note_sources
from worldmodel.train.strides import fitted

PICTURES = 2800  # some 10 MB of 128x96, every 34 units and 21 degrees of ten rooms
CELL = 1.6  # map units to a degree: pictures so far apart are as different
EYE = 8.0  # map units: those of an eye so much higher or lower are not preferred
JUDGED = 256  # held-out frames in the figures


def train_atlas(data: Path, run: Path, *, pictures: int = PICTURES, episodes: int = 0) -> Atlas:
    """Make an atlas of at most so many pictures of `data/train`; ends with
    `run/atlas.safetensors` and `run/heldout.json`.

    The game plays the first `episodes` again (0: all, and all held-out ones to judge by). Raises
    UserError when the game is not there, tells no poses or walls, does not replay, or has stairs.
    """
    if pictures < 1 or episodes < 0:
        raise UserError(
            f"pictures must be at least 1 and episodes too, or 0 for all, found {pictures} and "
            f"{episodes}"
        )
    store, heldout = FrameStore(data / "train"), FrameStore(data / "heldout")
    note_sources(run, [source_of(store)])
    with open_game(store.game, small_of(store.size)) as game:
        require_pose(game)
        camera, walls = camera_of(game, store.size), game.walls
        poses = recorded_poses(game, store, episodes, run / "eyes-train.npy", seen_from, 4)
        judged = recorded_poses(game, heldout, 0, run / "eyes-heldout.npy", seen_from, 4)
    stride = fitted(store, poses, walls)
    rows = spread(poses, pictures)
    shown = np.stack([store.frames[row] for row in rows])
    found = atlas_of(shown, poses[rows], walls, camera, store.game, stride)
    save_network(run / ATLAS, found)
    figures = atlas_figures(found, heldout, judged)
    write_json(run / "heldout.json", figures)
    print(
        f"keeps {len(rows)} pictures, {found.config.bytes / 1e6:.1f} MB; held-out  "
        f"{figures_line(figures)}",
        flush=True,
    )
    return found


def seen_from(game: Game) -> tuple[float, ...]:
    """x, y, degrees and the height of the eye, as the game tells them now."""
    return *game.pose, game.eye


def camera_of(game: Game, size: tuple[int, int]) -> CameraConfig:
    """How a game shows its map in pictures of a size. Raises UserError for maps with stairs."""
    if any(not hasattr(type(game), name) for name in ("eye", "walls", "heights", "lens")):
        raise UserError(
            f"{game.name} does not tell its walls and heights; choose a ViZDoom scenario"
        )
    heights = np.unique(game.heights, axis=0)
    if len(heights) != 1:
        raise UserError(
            f"the map of {game.name} has {len(heights)} kinds of floors and ceilings, and an atlas "
            "knows flat ones only; choose vizdoom/my_way_home"
        )
    (floor, ceiling), (across, down), (height, width) = heights[0].tolist(), game.lens, size
    return CameraConfig(
        height=height, width=width, across=across * width, down=round(down * width, 6),
        floor=floor, ceiling=ceiling,
    )  # fmt: skip


def spread(poses: np.ndarray, count: int) -> np.ndarray:
    """Rows of at most `count` of some poses [n 4], each in the middle of a cell of its own."""
    small, large = 0.5, 4096.0
    for _ in range(24):
        cell = (small * large) ** 0.5
        if len(middles(poses, cell)) > count:
            small = cell
        else:
            large = cell
    return middles(poses, large)


def middles(poses: np.ndarray, cell: float) -> np.ndarray:
    """Of poses [n 4] the row that is most in the middle of each cell of so many map units."""
    at = poses[:, :3] / np.array([cell, cell, min(cell / CELL, 360.0)])
    cells = np.floor(at).astype(np.int64)
    level = (poses[:, 3] - np.median(poses[:, 3])) / EYE
    off = np.square(at - cells - 0.5).sum(axis=1) + np.square(level) / 3
    order = np.lexsort((off, *cells.T))
    first = np.append(True, (np.diff(cells[order], axis=0) != 0).any(axis=1))
    return np.sort(order[first])


@torch.inference_mode()
def atlas_figures(atlas: Atlas, store: FrameStore, poses: np.ndarray) -> dict[str, float]:
    """PSNR of held-out frames made from their poses [n 4], and of those from where the keys lead
    from the poses of the two frames before; and that of the last frame once more."""
    history = atlas.config.stride.history
    rows = np.concatenate([np.arange(s.start + history, s.stop) for s in store.episodes])
    rows = rows[np.linspace(0, len(rows) - 1, min(JUDGED, len(rows)), dtype=int)]
    told = torch.as_tensor(poses)
    state = torch.full((len(rows), 8), torch.nan)
    for back in (2, 1):
        state = atlas.stride.found(state, told[rows - back])
    keys = np.stack([store.controls[rows - back] for back in range(history)], axis=1)
    led = atlas.stride(state, torch.as_tensor(keys), atlas.walls)[:, :4]
    frames, last = (to_float(torch.as_tensor(store.frames[at])) for at in (rows, rows - 1))
    made = {"view": atlas(told[rows]), "next": atlas(led), "repeated": last}
    return {f"{name}_psnr": _psnr(each, frames) for name, each in made.items()}


def _psnr(made: torch.Tensor, frames: torch.Tensor) -> float:
    error = (made - frames).square().mean(dim=(1, 2, 3)).clamp_min(1e-6)
    return float(-10 * error.log10().mean())

"""Opening scenes: short stretches of held-out episodes that a player can start from."""

import shutil
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from worldmodel.data.clips import FrameStore, clip_starts
from worldmodel.data.episode import EpisodeWriter
from worldmodel.data.meta import Meta
from worldmodel.errors import UserError

LENGTH = 16  # frames of a scene: at least the window that a world remembers
THUMBNAIL = 12, 16
STRIDE = 10  # candidate scenes start every so many frames


def choose_scenes(store: FrameStore, count: int) -> list[int]:
    """First rows of `count` stretches that look most unlike each other and show much detail.

    Farthest-point selection on standardised 12x16 thumbnails of the last frames, among the third
    of the candidates with most edges for their brightness. Raises UserError when too few.
    """
    starts = clip_starts(store.episodes, LENGTH)[::STRIDE]
    if len(starts) < 3 * count:
        raise UserError(f"{store.folder} is too short for {count} scenes; collect more episodes")
    frames = store.frames[starts + LENGTH - 1].astype(np.float32)
    detail = np.abs(np.diff(frames, axis=2)).mean(axis=(1, 2, 3)) / (10 + frames.mean((1, 2, 3)))
    keep = np.argsort(detail)[-len(starts) // 3 :]
    pictures = torch.as_tensor(frames[keep]).movedim(-1, 1)
    small = F.adaptive_avg_pool2d(pictures, THUMBNAIL).flatten(1).numpy()
    chosen = [int(np.argmax(detail[keep]))]
    nearest = np.full(len(keep), np.inf)
    while len(chosen) < count:
        nearest = np.minimum(nearest, np.square(small - small[chosen[-1]]).sum(axis=1))
        chosen.append(int(np.argmax(nearest)))
    return [int(starts[keep[i]]) for i in chosen]


def write_scene(folder: Path, store: FrameStore, start: int) -> None:
    """Write rows start to start + LENGTH - 1 as an Episode in `folder`, replacing what is there."""
    episode = next(e for e in store.episodes if e.start <= start < e.stop)
    meta = Meta(
        fps=store.fps,
        size=store.size,
        controls=store.space,
        game=store.game,
        seed=episode.seed,
        player=episode.player,
        licence=store.licence,
    )
    shutil.rmtree(folder, ignore_errors=True)
    with EpisodeWriter(folder, meta) as writer:
        for row in range(start, start + LENGTH):
            writer.append(store.frames[row], store.controls[row])


def write_scenes(data: Path, checkpoint: Path, *, count: int = 8, rows: dict[str, int]) -> None:
    """Write scenes of `data/heldout` into `checkpoint/scenes`: named rows, or `count` chosen."""
    store = FrameStore(data / "heldout")
    named = rows or {f"scene-{i + 1}": row for i, row in enumerate(choose_scenes(store, count))}
    for name, start in named.items():
        if not 0 <= start <= len(store) - LENGTH:
            raise UserError(f"row {start} of scene {name} is not in {store.folder}")
        write_scene(checkpoint / "scenes" / name, store, start)
        print(f"scene {name}: rows {start} to {start + LENGTH - 1} of {store.folder}")

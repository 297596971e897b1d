"""One episode's video and actions, decoded into its rows of the arrays, and hashed."""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap

from worldmodel.data.actions import read_actions
from worldmodel.data.decode import BLOCK, decode_frames
from worldmodel.data.meta import load_meta

FRAMES, CONTROLS, MOTION = "frames.npy", "controls.npy", "motion.npy"


@dataclass(frozen=True, kw_only=True)
class Unpacking:
    """An episode `folder` that fills rows start to start + frames - 1 of the arrays in `out`."""

    folder: Path
    out: Path
    start: int
    frames: int


def allocate(folder: Path, frames: int, size: tuple[int, int], controls: int) -> None:
    """Make arrays of so many rows; the disk gives its blocks when they are written."""
    open_memmap(folder / FRAMES, "w+", np.uint8, (frames, *size, 3))
    open_memmap(folder / CONTROLS, "w+", np.float32, (frames, controls))
    open_memmap(folder / MOTION, "w+", np.float32, (frames,))


def array_bytes(frames: int, size: tuple[int, int], controls: int) -> int:
    """Return how many bytes `allocate` asks for."""
    return frames * (3 * size[0] * size[1] + 4 * controls + 4)


def unpack(job: Unpacking) -> tuple[str, str, int]:
    """Decode an episode block by block; return its name, its rows' hash and their number.

    Raises UserError, naming file and line, when anything in it is damaged.
    """
    meta, _ = load_meta(job.folder)
    rows = slice(job.start, job.start + job.frames)
    controls, _ = read_actions(job.folder / "actions.jsonl", job.frames, meta.controls)
    held = open_memmap(job.out / CONTROLS, "r+")
    held[rows] = controls if meta.actions == "known" else np.nan
    frames, moved = open_memmap(job.out / FRAMES, "r+"), open_memmap(job.out / MOTION, "r+")
    at, before = job.start, None
    for block in decode_frames(job.folder / "video.mp4", meta.size, count=job.frames):
        stop = at + len(block)
        frames[at:stop] = block
        joined = block if before is None else np.concatenate([before, block])
        moved[at:stop] = motion(joined)[-len(block) :]
        at, before = stop, block[-1:]
    for array in (held, frames, moved):
        array.flush()
    return job.folder.name, hash_rows(job.out, rows), job.frames


def hash_rows(folder: Path, rows: slice) -> str:
    """Return the sha256 of these rows of the arrays in a folder, read block by block."""
    digest = sha256()
    for name in (FRAMES, CONTROLS, MOTION):
        array = np.load(folder / name, mmap_mode="r")
        for start in range(rows.start, rows.stop, BLOCK):
            digest.update(np.ascontiguousarray(array[start : min(start + BLOCK, rows.stop)]))
    return digest.hexdigest()


def motion(frames: np.ndarray) -> np.ndarray:
    """Return float32 [t]: each frame's mean absolute change from the one before (0 to 255), 0 for
    the first of uint8 [t h w 3]."""
    change = np.zeros(len(frames), np.float32)
    for index in range(1, len(frames)):
        after, before = frames[index].astype(np.int16), frames[index - 1]
        change[index] = np.abs(after - before).mean()
    return change

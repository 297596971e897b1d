"""What an episode is checked for before anything is made of it."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from worldmodel.data.decode import check_length
from worldmodel.data.meta import ADVICE, Meta, load_meta
from worldmodel.errors import UserError

LARGEST_SIDE = 4096  # pixels
LARGEST_META = 1_000_000  # bytes
LARGEST_LINE = 4096  # bytes of an action, in the mean
SPARE = 64_000_000  # bytes of disk that are left free


def check_episode(folder: Path) -> tuple[Meta, int]:
    """Return an episode's meta and number of frames when its name, sizes and headers are sound.

    Nothing is decoded. Raises UserError, naming the file, for names that cannot be printed, what
    is no regular file, files larger than they can be, and videos of another size or length.
    """
    if not folder.name.isprintable():
        raise UserError(
            f"The episode folder {folder.name!r} in {folder.parent} has a name that cannot be "
            f"printed; rename it."
        )
    _check_file(folder / "meta.json", LARGEST_META)
    meta, frames = load_meta(folder)
    if frames < 1 or not all(0 < side <= LARGEST_SIDE for side in meta.size):
        raise UserError(
            f"{folder / 'meta.json'} should state 1 or more frames of at most {LARGEST_SIDE} "
            f"pixels a side, but states {frames} of {meta.size[1]}x{meta.size[0]}; {ADVICE}"
        )
    _check_file(folder / "actions.jsonl", LARGEST_LINE * (frames + 16))
    check_length(folder / "video.mp4", meta.size, frames)
    return meta, frames


def _check_file(path: Path, largest: int) -> None:
    if not path.is_file():
        raise UserError(f"{path} is missing or no file; {ADVICE}")
    if path.stat().st_size > largest:
        raise UserError(
            f"{path} should have at most {largest:,} bytes, but has {path.stat().st_size:,}; "
            f"{ADVICE}"
        )


def check_alike(folders: Sequence[Path], metas: Sequence[Meta]) -> None:
    """Raise UserError unless all episodes have the same size, rate and controls."""
    first = metas[0]
    for folder, meta in zip(folders, metas, strict=True):
        if (meta.size, meta.fps, meta.controls) != (first.size, first.fps, first.controls):
            raise UserError(
                f"{folder} differs from {folders[0]} in size, frame rate or controls; "
                f"keep only episodes of one world in a folder."
            )


def check_space(folder: Path, needed: int) -> None:
    """Raise UserError unless the disk of a folder, which may not exist yet, has so many bytes."""
    there = next(path for path in (folder, *folder.resolve().parents) if path.exists())
    free = shutil.disk_usage(there).free
    if needed + SPARE > free:
        raise UserError(
            f"The arrays in {folder} take {needed / 1e9:,.1f} GB, but {free / 1e9:,.1f} GB are "
            f"free; make room or name another folder with --out."
        )

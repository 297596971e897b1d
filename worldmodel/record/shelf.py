"""Where the next episode of a data set goes: its split, its name, a seed not used before."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from worldmodel.data.learned import is_learned, learned
from worldmodel.data.live import recording_of, repair
from worldmodel.data.meta import Meta, load_meta
from worldmodel.data.plan import SPLITS
from worldmodel.errors import UserError

HELDOUT = 0.1  # share of the frames that `auto` keeps for judging
SPLIT_CHOICES = ("auto", *SPLITS)


def _now() -> str:
    return time.strftime("%Y%m%d-%H%M%S")


class Shelf:
    """The episodes of a data set, in data/train and data/heldout.

    With split "auto" one frame in ten is held out, from the second episode on. Raises UserError
    for a damaged meta.json, for an unknown split, or when `data` is a file.
    """

    def __init__(self, data: Path, split: str = "auto", clock: Callable[[], str] = _now) -> None:
        if data.exists() and not data.is_dir():
            raise UserError(f"{data} is a file; name a folder for the episodes")
        if split not in SPLIT_CHOICES:
            raise UserError(f"--split should be one of {', '.join(SPLIT_CHOICES)}, not {split!r}")
        self.data, self._split, self._clock = data, split, clock
        self.metas: list[Meta] = []
        self.frames = dict.fromkeys(SPLITS, 0)
        for split_name in SPLITS:
            for path in sorted((data / split_name).glob("[!.]*/meta.json")):
                self.count(split_name, *load_meta(path.parent))

    def count(self, split: str, meta: Meta, frames: int) -> None:
        """Note an episode that was finished."""
        self.metas.append(meta)
        self.frames[split] += frames

    def split(self) -> str:
        """The split that the next episode belongs to."""
        if self._split != "auto":
            return self._split
        train, heldout = (self.frames[name] for name in SPLITS)
        return "heldout" if heldout < HELDOUT * (train + heldout) else "train"

    def named_by_time(self, split: str) -> Path:
        """A folder for an episode that begins now."""
        name, number = self._clock(), 1
        folder = self.data / split / name
        while folder.exists() or recording_of(folder).exists():
            number += 1
            folder = self.data / split / f"{name}-{number}"
        return folder

    def seeds(self, split: str, first: int = 0) -> Iterator[int]:
        """Seeds that no episode has, even for training and odd for judging, as `collect` has it."""
        used = {meta.seed for meta in self.metas}
        seed = 2 * first + SPLITS.index(split)
        while True:
            if seed not in used:
                yield seed
            seed += 2

    def check(self, meta: Meta) -> Meta:
        """The meta for new episodes: learned controls begin with the keys that are known.

        Raises UserError when the episodes there are of another size, rate or controls.
        """
        for other in self.metas:
            both = is_learned(meta.controls) and is_learned(other.controls)
            axes = meta.controls.axes == other.controls.axes
            same_controls = axes if both else meta.controls == other.controls
            if (other.size, other.fps) != (meta.size, meta.fps) or not same_controls:
                raise UserError(
                    f"{self.data} holds episodes of {_kind(other)}, but {_kind(meta)} were asked "
                    "for; record with the same settings or into another folder"
                )
        if not is_learned(meta.controls):
            return meta
        known = {key for other in self.metas for key in other.controls.buttons}
        space = learned({*known, *meta.controls.buttons}, meta.controls.axes)
        return type(meta)(**{**vars(meta), "controls": space})


def repair_and_tell(data: Path) -> int:
    """Finish what killed recorders left in a data set, with a line for each; return how many.

    Raises UserError, after the others are done, when one is damaged.
    """
    count = 0
    for count, (folder, frames) in enumerate(repair(data), 1):  # noqa: B007
        what = f"repaired, {frames} frames" if frames else "held nothing yet; removed"
        print(f"{folder}: {what}")
    return count


def _kind(meta: Meta) -> str:
    height, width = meta.size
    axes = f" and {', '.join(meta.controls.axes)}" if meta.controls.axes else ""
    buttons = ", ".join(meta.controls.buttons) or "no"
    return f"{width}x{height} at {meta.fps:g} frames/s with {buttons} buttons{axes}"

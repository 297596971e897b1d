"""The stretches of episodes that the doctor looks at, spread evenly over a data set."""

import time
from dataclasses import dataclass

import numpy as np

from worldmodel.data.doctor.collection import Collection, Part
from worldmodel.data.doctor.flow import block_change, grey, grid_of, image_flow, shrink
from worldmodel.data.progress import Progress
from worldmodel.data.unpack import motion
from worldmodel.errors import UserError

LENGTH = 200  # frames of a stretch
SHORTEST = 16


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """Frames start to start + t - 1 of an episode, as far as they are needed.

    `colours` uint8 [t h w 3] are pictures of a few dozen cells, `change` float32 [t] the mean
    absolute change of the whole picture since the frame before (0 for the first), `flow` and
    `blocks` float32 [t-1, ...] how blocks moved and changed, `controls` float32 [t k] or None
    where they are not known.
    """

    part: Part
    start: int
    colours: np.ndarray
    change: np.ndarray
    flow: np.ndarray
    blocks: np.ndarray
    controls: np.ndarray | None

    def __len__(self) -> int:
        return len(self.colours)


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Stretches in the data set's order; `whole` when they are all of it, `cut` when time ran out
    before all that were chosen had been read.

    `controls` float32 [t k] and `times` float64 [t] are those of whole episodes, by the episode's
    place; `damaged` are sentences about what could not be read.
    """

    stretches: tuple[Stretch, ...]
    controls: dict[int, np.ndarray]
    times: dict[int, np.ndarray]
    damaged: tuple[str, ...]
    whole: bool
    cut: bool = False

    @property
    def frames(self) -> int:
        return sum(map(len, self.stretches))


def take_sample(collection: Collection, *, frames: int, seconds: float) -> Sample:
    """Read about so many frames, and no more stretches after so many seconds; one at least.

    Raises UserError when not even one stretch can be read, or the numbers are not above 0.
    """
    if min(frames, seconds) <= 0:
        raise UserError(
            f"--frames and --seconds should be above 0, but are {frames} and {seconds:g}"
        )
    pieces = [
        (part, start, min(LENGTH, part.frames - start))
        for part in collection.parts
        for start in range(0, part.frames, LENGTH)
        if part.frames - start >= SHORTEST or start == 0
    ]
    mean = sum(length for *_, length in pieces) / len(pieces)
    count = min(len(pieces), max(1, round(frames / mean)))
    chosen = np.unique(np.linspace(0, len(pieces) - 1, count).round().astype(int))
    reading = _Reading(collection)
    stretches: dict[int, Stretch] = {}
    progress = Progress("look", len(chosen), "stretches")
    begin, cut = time.monotonic(), False
    for index in np.random.default_rng(0).permutation(chosen):
        if cut := bool(stretches) and time.monotonic() - begin > seconds:
            break
        if (stretch := reading.stretch(*pieces[index])) is not None:
            stretches[int(index)] = stretch
        progress.advance(1)
    if not stretches:
        raise UserError(f"{collection.folder} has no episode that can be read; {reading.complaint}")
    return Sample(
        stretches=tuple(stretches[index] for index in sorted(stretches)),
        controls=reading.controls,
        times=reading.times,
        damaged=(*collection.damaged, *reading.damaged.values()),
        whole=len(stretches) == len(pieces),
        cut=cut,
    )


class _Reading:
    """Reads stretches; an episode that turns out damaged is noted once and left out."""

    def __init__(self, collection: Collection) -> None:
        self.collection, self.grid = collection, grid_of(collection.size)
        self.controls: dict[int, np.ndarray] = {}
        self.times: dict[int, np.ndarray] = {}
        self.damaged: dict[int, str] = {}
        self._seen: set[int] = set()

    @property
    def complaint(self) -> str:
        return next(iter(self.damaged.values()), "its episodes are empty.")

    def stretch(self, part: Part, start: int, count: int) -> Stretch | None:
        if part.place in self.damaged:
            return None
        try:
            self._read_actions(part)
            pictures = self.collection.frames(part, start, count)
        except UserError as error:
            self.damaged[part.place] = str(error)
            return None
        colours, controls = shrink(pictures, self.grid), self.controls.get(part.place)
        if controls is not None and not np.isfinite(controls).all():
            controls = None  # the finding about keys names them
        small = grey(colours)
        return Stretch(
            part=part,
            start=start,
            colours=np.round(colours).astype(np.uint8),
            change=motion(pictures),
            flow=image_flow(small),
            blocks=block_change(small),
            controls=None if controls is None else controls[start : start + count],
        )

    def _read_actions(self, part: Part) -> None:
        if part.place in self._seen:
            return
        self._seen.add(part.place)
        if (controls := self.collection.controls(part)) is not None:
            self.controls[part.place] = controls
        if (times := self.collection.times(part)) is not None:
            self.times[part.place] = times

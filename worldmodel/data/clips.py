"""Prepared frames, mapped into memory, and the drawing of clips from them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from worldmodel.data.records import read_json
from worldmodel.data.rows import Rows
from worldmodel.errors import UserError
from worldmodel.games.base import ControlSpace

INDEX = "episodes.json"


@dataclass(frozen=True, kw_only=True)
class Span:
    """Where an episode lies in the arrays: rows start to stop - 1; `actions` known or unknown,
    `ended` if the game was over after the last one."""

    name: str
    start: int
    stop: int
    seed: int
    player: str
    actions: str = "known"
    ended: bool = False


class FrameStore:
    """One split that `prepare` or `curate` wrote; n frames of all episodes, one after another.

    frames uint8 [n h w 3], controls float32 [n k] and motion float32 [n] (mean absolute change
    from the frame before, 0 to 255; 0 where an episode starts) are mapped, not read.
    controls[i] produced frames[i]; it is NaN where the actions are unknown. `rules` are what a
    view was curated by, `sources` the stores whose rows it shows; arrays have none. Raises
    UserError when the folder is missing or damaged.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.record = read_json(self.folder / INDEX)
        try:
            self.episodes = tuple(Span(**span) for span in self.record["episodes"])
            self.space = ControlSpace.from_json(self.record["controls"])
            self.fps, self.size = float(self.record["fps"]), tuple(self.record["size"])
            self.game, self.licence = self.record["game"], self.record["licence"]
            self.source: str = self.record["source"]
            view = self.record.get("view")
            self.rules: dict[str, Any] | None = view["rules"] if view else None
            self._pieces = np.array(view["pieces"]).reshape(-1, 2) if view else None
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(
                f"{self.folder / INDEX} is damaged ({error!r}); {self._again()}"
            ) from error
        self.sources = tuple(map(self._open, view["sources"])) if view else ()
        self.frames = self._array("frames", (*self.size, 3))
        self.controls = self._array("controls", (self.space.size,))
        self.motion = self._array("motion", ())

    def __len__(self) -> int:
        return self.episodes[-1].stop if self.episodes else 0

    def rows_of(self, arrays: Sequence[np.ndarray]) -> Rows:
        """Show a view's rows of one array [n ...] for each of its sources."""
        counts = np.array([span.stop - span.start for span in self.episodes])
        return Rows(arrays, self._pieces[:, 0], self._pieces[:, 1], counts)

    def _open(self, source: dict[str, str]) -> Self:
        store = type(self)(source["folder"])
        if store.source != source["source"]:
            raise UserError(
                f"{self.folder} shows frames of {store.folder}, which have changed since; "
                f"{self._again()}"
            )
        return store

    def _array(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        if self.sources:
            return self._shown(name)
        path = self.folder / f"{name}.npy"
        try:
            array = np.load(path, mmap_mode="r")
        except (OSError, ValueError) as error:
            raise UserError(f"{path} cannot be read ({error}); {self._again()}") from error
        if array.shape != (len(self), *shape):
            raise UserError(
                f"{path} should have the shape {(len(self), *shape)}, but has {array.shape}; "
                f"{self._again()}"
            )
        return array

    def _shown(self, name: str) -> Any:
        """A view's rows: frames stay where they are, the small arrays are copied into memory."""
        rows = self.rows_of([getattr(store, name) for store in self.sources])
        if name == "frames":
            return rows
        array = np.array(rows[:])
        if name == "motion":
            array[[span.start for span in self.episodes]] = 0
        return array

    def _again(self) -> str:
        command = "curate" if "view" in self.record else "prepare"
        return f"delete {self.folder} and run worldmodel {command} again."


class ClipSampler:
    """Draws where clips of `length` frames start; the draw of a step is a function of (seed, step).

    A clip lies in one episode. `moving` is the share of clips drawn in proportion to their mean
    motion, that of their last `judged` frames if given; the others are drawn evenly. Of `usable`,
    bool [n], a clip's last `needed` rows are true, all of them unless given. Raises UserError when
    no episode is as long as a clip, or no clip is usable.
    """

    def __init__(
        self,
        episodes: Sequence[Span],
        motion: np.ndarray,
        *,
        length: int,
        seed: int,
        moving: float = 0.0,
        usable: np.ndarray | None = None,
        needed: int | None = None,
        judged: int | None = None,
    ) -> None:
        self.starts = clip_starts(episodes, length)
        if not len(self.starts):
            raise UserError(
                f"No episode has the {length} frames of a clip; collect longer episodes or train "
                f"on shorter clips."
            )
        if usable is not None:
            self.starts = usable_starts(self.starts, length, usable, needed or length)
        self.length, self._seed = length, seed
        last = min(judged or length, length - 1) + 1  # the first of them is what changes
        weight = clip_motion(motion, self.starts + length - last, last)
        even = np.full(len(weight), 1.0 / len(weight))
        share = weight / weight.sum() if weight.any() else even
        self._cumulative = np.cumsum(moving * share + (1.0 - moving) * even)

    def draw(self, step: int, count: int) -> np.ndarray:
        """Return the first rows of `count` clips, int64 [count], for this step."""
        random = np.random.default_rng([self._seed, step])
        where = random.random(count) * self._cumulative[-1]
        index = np.searchsorted(self._cumulative, where, side="right")
        return self.starts[np.minimum(index, len(self.starts) - 1)]


def clip_starts(episodes: Sequence[Span], length: int) -> np.ndarray:
    """Return every row, int64, where a clip of `length` frames inside one episode can start."""
    ranges = [np.arange(span.start, span.stop - length + 1) for span in episodes]
    return np.concatenate(ranges).astype(np.int64) if ranges else np.zeros(0, np.int64)


def labelled(episodes: Sequence[Span]) -> list[Span]:
    """Return the episodes whose actions are known."""
    return [span for span in episodes if span.actions == "known"]


def usable_starts(starts: np.ndarray, length: int, usable: np.ndarray, needed: int) -> np.ndarray:
    """Return those of `starts` whose clips' last `needed` rows are usable, bool [n]; raise
    UserError when there is none."""
    unusable = np.concatenate([[0], np.cumsum(~usable)])
    stops = starts + length
    found = starts[unusable[stops] == unusable[stops - needed]]
    if not len(found):
        raise UserError(
            f"No clip of {length} frames has known controls; label the data with worldmodel label, "
            f"or give data with recorded keys."
        )
    return found


def known(store: FrameStore) -> np.ndarray:
    """Return bool [n]: frames whose controls are known; those of unlabelled video are NaN."""
    return ~np.isnan(store.controls).any(axis=1)


def clip_motion(motion: np.ndarray, starts: np.ndarray, length: int) -> np.ndarray:
    """Return the mean motion, float64 [n], inside clips: changes that lead into the first frame do
    not count."""
    total = np.concatenate([[0.0], np.cumsum(motion, dtype=np.float64)])
    return (total[starts + length] - total[starts + 1]) / max(length - 1, 1)


def gather(array: np.ndarray, starts: np.ndarray, length: int) -> np.ndarray:
    """Return the clips [b length ...] that start at rows [b] of an array [n ...], as a copy."""
    return np.stack([array[start : start + length] for start in starts])


def other_moments(
    episodes: Sequence[Span], rows: np.ndarray, random: np.random.Generator
) -> np.ndarray:
    """Return for each of `rows` [n] some row of the same episode, drawn evenly."""
    stops = np.array([span.stop for span in episodes])
    spans = [episodes[i] for i in np.searchsorted(stops, rows, side="right")]
    return np.array([random.integers(span.start, span.stop) for span in spans])

"""Prepared frames, mapped into memory, and the drawing of clips from them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from worldmodel.data.records import read_json
from worldmodel.errors import UserError
from worldmodel.games.base import ControlSpace


@dataclass(frozen=True, kw_only=True)
class Span:
    """Where an episode lies in the arrays: rows start to stop - 1."""

    name: str
    start: int
    stop: int
    seed: int
    player: str


class FrameStore:
    """One split that `prepare` wrote; n frames of all episodes, one after another.

    frames uint8 [n h w 3], controls float32 [n k] and motion float32 [n] (mean absolute change
    from the frame before, 0 to 255; 0 where an episode starts) are mapped, not read.
    controls[i] produced frames[i]. Raises UserError when the folder is missing or damaged.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        record = read_json(self.folder / "episodes.json")
        try:
            self.episodes = tuple(Span(**span) for span in record["episodes"])
            self.space = ControlSpace.from_json(record["controls"])
            self.fps, self.size = float(record["fps"]), tuple(record["size"])
            self.game, self.licence = record["game"], record["licence"]
            self.source: str = record["source"]
        except (KeyError, TypeError) as error:
            raise UserError(
                f"{self.folder / 'episodes.json'} is damaged ({error!r}); "
                f"delete {self.folder} and run worldmodel prepare again."
            ) from error
        self.frames = self._array("frames", (*self.size, 3))
        self.controls = self._array("controls", (self.space.size,))
        self.motion = self._array("motion", ())

    def __len__(self) -> int:
        return self.episodes[-1].stop

    def _array(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        path = self.folder / f"{name}.npy"
        try:
            array = np.load(path, mmap_mode="r")
        except (OSError, ValueError) as error:
            raise UserError(
                f"{path} cannot be read ({error}); "
                f"delete {self.folder} and run worldmodel prepare again."
            ) from error
        if array.shape != (len(self), *shape):
            raise UserError(
                f"{path} should have the shape {(len(self), *shape)}, but has {array.shape}; "
                f"delete {self.folder} and run worldmodel prepare again."
            )
        return array


class ClipSampler:
    """Draws where clips of `length` frames start; the draw of a step is a function of (seed, step).

    A clip lies in one episode. `moving` is the share of clips drawn in proportion to their mean
    motion, the others are drawn evenly. Of `usable`, bool [n], a clip's last `needed` rows are
    true, all of them unless given. Raises UserError when no episode is as long as a clip, or no
    clip is usable.
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
        weight = clip_motion(motion, self.starts, length)
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

"""Whether each control means the same throughout: keys swapped or lost in a part of the data."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from worldmodel.data.doctor.answers import Answers, control_names
from worldmodel.data.doctor.dead_keys import listed
from worldmodel.data.doctor.finding import Finding, Verdict
from worldmodel.data.doctor.response import Moments, interval, solve, strength, sum_moments
from worldmodel.data.doctor.sample import Sample
from worldmodel.games.base import ControlSpace

DRAWS = 100
PIECE = 100  # frames
FEWEST = 8  # pieces on each side of a cut
HELD = 4  # frames over which a control is averaged, as games accelerate
UNLIKE = 0.3  # another meaning: a difference surely above this share of the stronger answer
LOST = 0.15  # an answer surely below this share of that of the other part is lost


@dataclass(frozen=True, kw_only=True)
class Pieces:
    """Moments of pieces of stretches, and where each lies: in the data set (0 to 1), and in its
    episode (False: the first half)."""

    moments: Moments
    place: np.ndarray
    second: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Change:
    """What differs between the parts on both sides of a cut."""

    where: str
    differs: dict[str, list[float]]
    swapped: tuple[tuple[str, str], ...]
    changed: tuple[str, ...]
    lost: tuple[str, ...]

    @property
    def keys(self) -> int:
        return 2 * len(self.swapped) + len(self.changed) + len(self.lost)


def examine_consistency(
    sample: Sample, space: ControlSpace, found: Answers | None, lag: int | None
) -> Finding:
    """Compare what each control does to the picture's flow on both sides of several cuts."""
    name = "consistency"
    if found is None or lag is None:
        sentence = "Whether keys keep their meaning cannot be told before their lag is known."
        return Finding(name=name, verdict=Verdict.UNSURE, sentence=sentence)
    pieces = _pieces(sample, control_names(space), found, lag)
    changes = [
        _compare(pieces.moments, side, found.names, where)
        for where, side in _cuts(pieces)
        if min(side.sum(), (~side).sum()) >= FEWEST
    ]
    if not changes:
        sentence = "Too few frames to tell whether keys keep their meaning throughout."
        return Finding(name=name, verdict=Verdict.UNSURE, sentence=sentence)
    worst = max(changes, key=lambda change: (change.keys, _most(change)))
    figures = {
        "cuts": {
            change.where: {
                "difference": change.differs,
                "swapped": [list(pair) for pair in change.swapped],
                "changed": list(change.changed),
                "lost": list(change.lost),
            }
            for change in changes
        }
    }
    if not worst.keys:
        sentence = "No key changes its meaning within the data."
        return Finding(name=name, verdict=Verdict.OK, sentence=sentence, figures=figures)
    return Finding(name=name, verdict=Verdict.WRONG, sentence=_say(worst), figures=figures)


def _pieces(sample: Sample, names: tuple[str, ...], found: Answers, lag: int) -> Pieces:
    used = [names.index(name) for name in found.names]
    pairs, place, second, seen = [], [], [], 0
    for stretch in sample.stretches:
        if stretch.controls is None:
            continue
        for a in range(0, len(stretch) - PIECE // 2, PIECE):
            x, y = _levels(stretch.controls[:, used], stretch.flow, lag)
            rows = slice(a, a + PIECE)
            pairs.append((x[rows] - x[rows].mean(0), y[rows] - y[rows].mean(0)))
            middle = stretch.start + a + PIECE // 2
            second.append(middle >= stretch.part.frames / 2)
            place.append(seen + a)
        seen += len(stretch)
    moments = sum_moments(pairs, range(len(pairs)))
    return Pieces(moments=moments, place=np.array(place) / max(seen, 1), second=np.array(second))


def _levels(controls: np.ndarray, flow: np.ndarray, lag: int) -> tuple[np.ndarray, np.ndarray]:
    """Controls held over the last frames [t-1 k], moved by the lag, beside the flow [t-1 d]."""
    pressed = controls[1:]
    moved = pressed[np.clip(np.arange(len(pressed)) + lag, 0, len(pressed) - 1)]
    padded = np.concatenate([moved[:1].repeat(HELD - 1, 0), moved])
    return sum(padded[i : i + len(moved)] for i in range(HELD)) / HELD, flow


def _cuts(pieces: Pieces) -> Iterator[tuple[str, np.ndarray]]:
    for share in (0.25, 0.5, 0.75):
        yield f"the first {share:.0%} of the data and the rest", pieces.place >= share
    yield "the first and the second half of the episodes", pieces.second


def _compare(moments: Moments, side: np.ndarray, names: tuple[str, ...], where: str) -> Change:
    own, across = _products(moments, side, moments.precision())  # draws 2 k, draws k k
    difference = own[:, 0, :, None] + own[:, 1, None, :] - 2 * across  # draws k k
    size = np.maximum(own.max(1), 1e-9)
    same = difference.diagonal(axis1=1, axis2=2) / size
    low, high = np.percentile(own, [2.5, 97.5], axis=0)  # 2 k
    differs = {n: interval(np.clip(same[:, i], -1, 4)) for i, n in enumerate(names)}
    unlike = {n for n, alive in zip(names, (low > 0).all(0), strict=True) if alive}
    unlike = {n for n in unlike if differs[n][1] > UNLIKE}
    lost = tuple(
        n
        for i, n in enumerate(names)
        if any(low[a, i] > 0 and high[1 - a, i] < LOST * np.median(own[:, a, i]) for a in (0, 1))
    )
    swapped = _swaps(np.median(difference, axis=0), unlike, names)
    known = {name for pair in swapped for name in pair}
    changed = tuple(n for n in names if n in unlike - known - {*lost})
    return Change(where=where, differs=differs, swapped=swapped, changed=changed, lost=lost)


def _products(
    moments: Moments, side: np.ndarray, precision: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Strengths within each part [draws 2 k], by its two halves, and across parts [draws k k]."""
    random = np.random.default_rng(0)
    parts = np.flatnonzero(~side), np.flatnonzero(side)
    own, across = [], []
    for _ in range(DRAWS):
        quarters = []  # two halves of the first part, two of the second
        for part in parts:
            order = random.permutation(part)
            for half in (order[: len(part) // 2], order[len(part) // 2 :]):
                quarters.append(_response(moments, random.choice(half, len(half))))
        own.append([strength(quarters[i], quarters[i + 1], precision) for i in (0, 2)])
        first, second = (sum(quarters[i : i + 2]) / 2 for i in (0, 2))
        across.append(first @ precision @ second.T)
    return np.array(own), np.array(across)


def _response(moments: Moments, chosen: np.ndarray) -> np.ndarray:
    return solve(moments.xx[chosen].sum(0), moments.xy[chosen].sum(0))


def _swaps(
    difference: np.ndarray, unlike: set[str], names: tuple[str, ...]
) -> tuple[tuple[str, str], ...]:
    """Pairs of changed keys each of which does in one part what the other does in the other."""
    pairs = []
    for i, name in enumerate(names):
        j = int(difference[i].argmin())
        mutual = int(difference[j].argmin()) == i and int(difference[:, i].argmin()) == j
        if i < j and mutual and {name, names[j]} <= unlike:
            pairs.append((name, names[j]))
    return tuple(pairs)


def _most(change: Change) -> float:
    return max(values[0] for values in change.differs.values())


def _say(change: Change) -> str:
    said = [f"{a} and {b} are swapped" for a, b in change.swapped]
    if change.changed:
        said.append(f"{listed(change.changed)} does something else")
    if change.lost:
        said.append(f"{listed(change.lost)} does nothing in one of them")
    return f"Between {change.where}: {'; '.join(said)}."

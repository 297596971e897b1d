"""The picture's answer to each control of a sample, at each lag, with a bootstrap's draws."""

from dataclasses import dataclass

import numpy as np

from worldmodel.data.doctor.response import (
    DRAWS,
    LAGS,
    Moments,
    changes,
    halves,
    resampled,
    solve,
    strength,
    strength_interval,
    sum_moments,
)
from worldmodel.data.doctor.sample import Sample, Stretch
from worldmodel.games.base import ControlSpace

FEWEST_CHANGES = 20  # of a control, in the sample
FEWEST_GROUPS = 12  # below it a bootstrap over episodes says nothing, and shorter pieces are drawn
PIECE = 50  # frames


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What controls do; `names` are those that change often enough, `rare` the others.

    `response` [n k d] is estimated from all of the data, `resampled` [draws n k d] from resampled
    groups, `halves` [draws 2 n k d] from two disjoint halves of them; `precision` [d d] is the
    inverse covariance of the noise, `spread` [k] the mean square of each control's changes.
    """

    names: tuple[str, ...]
    rare: tuple[str, ...]
    counts: dict[str, int]
    moments: Moments
    places: tuple[int, ...]  # the episode of each group; empty when groups are pieces
    response: np.ndarray
    resampled: np.ndarray
    halves: np.ndarray
    precision: np.ndarray
    spread: np.ndarray

    def by_lag(self) -> np.ndarray:
        """Strength of the answer at each lag [draws n k], weighted by how often a key changes."""
        one, other = self.halves[:, 0], self.halves[:, 1]
        return strength(one, other, self.precision) * self.spread

    def after(self, lag: int) -> dict[str, list[float]]:
        """[strength, low, high] of all that follows one press of each control, from `lag` on."""
        follows = [index for index, one in enumerate(LAGS) if one <= lag]
        point, drawn = self.response[follows].sum(0), self.resampled[:, follows].sum(1)
        return {
            name: strength_interval(point[i], drawn[:, i], self.precision)
            for i, name in enumerate(self.names)
        }


def control_names(space: ControlSpace) -> tuple[str, ...]:
    """Buttons, then axes: what the entries of a control vector are called."""
    return (*space.buttons, *space.axes)


def answers(sample: Sample, space: ControlSpace) -> Answers | None:
    """Estimate the answers to all controls that change; None when there are too few of either."""
    stretches = [s for s in sample.stretches if s.controls is not None and len(s) >= PIECE // 2]
    names = control_names(space)
    counts = {n: sum(_changes(s.controls[:, i]) for s in stretches) for i, n in enumerate(names)}
    used = [i for i, name in enumerate(names) if counts[name] >= FEWEST_CHANGES]
    pieces, groups, places = _pieces(stretches)
    if not used or max(groups, default=0) < 3:
        return None
    scale = _scale(stretches, used, len(space.buttons))
    pairs = [changes(c[:, used] * scale, motion) for c, motion in pieces]
    moments = sum_moments(pairs, groups)
    shape = len(LAGS), len(used), -1
    return Answers(
        names=tuple(names[i] for i in used),
        rare=tuple(name for i, name in enumerate(names) if i not in used),
        counts=counts,
        moments=moments,
        places=places,
        response=solve(moments.xx.sum(0), moments.xy.sum(0)).reshape(shape),
        resampled=resampled(moments).reshape(DRAWS, *shape),
        halves=halves(moments).reshape(DRAWS, 2, *shape),
        precision=moments.precision(),
        spread=_spread(moments, len(used)),
    )


def _changes(values: np.ndarray) -> int:
    return int(np.count_nonzero(np.diff(values)))


def _pieces(
    stretches: list[Stretch],
) -> tuple[list[tuple[np.ndarray, np.ndarray]], list[int], tuple[int, ...]]:
    """(controls [t k], motion [t-1 d]) and the group of each: its episode, or itself if few."""
    places = sorted({s.part.place for s in stretches})
    motions = [np.concatenate([s.flow, s.blocks], axis=1) for s in stretches]
    if len(places) >= FEWEST_GROUPS:
        whole = [(s.controls, m) for s, m in zip(stretches, motions, strict=True)]
        return whole, [places.index(s.part.place) for s in stretches], tuple(places)
    cut = [
        (s.controls[a : a + PIECE], m[a : a + PIECE - 1])
        for s, m in zip(stretches, motions, strict=True)
        for a in range(0, len(s) - PIECE // 2, PIECE)
    ]
    return cut, list(range(len(cut))), ()


def _scale(stretches: list[Stretch], used: list[int], buttons: int) -> np.ndarray:
    """1 for a button; one over the deviation of an axis' changes."""
    deltas = np.concatenate([np.diff(s.controls[:, used], axis=0) for s in stretches])
    return np.where(np.array(used) < buttons, 1.0, 1.0 / (deltas.std(0) + 1e-9))


def _spread(moments: Moments, controls: int) -> np.ndarray:
    squares = np.diag(moments.xx.sum(0)).reshape(len(LAGS), controls)
    return squares[LAGS.index(0)] / moments.frames.sum()

"""How the picture answers to the keys: distributed-lag regression with honest intervals.

The change of the picture's motion from one frame to the next is regressed on the changes of all
controls at lags -3 to +3 at once, so that keys pressed together, and keys held for long, are told
apart. The strength of an answer is a cross-validated Mahalanobis distance (Walther et al. 2016):
the product of responses estimated on two halves of the data, in units of the noise. Its mean is
zero where there is no answer, whatever the amount of data. Intervals are a bootstrap over groups.

g groups, n lags, k controls, p = n k predictors, d descriptors of motion
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LAGS = tuple(range(-3, 4))  # 1: the picture moves one frame before its action is noted
DRAWS = 200
RIDGE = 1e-2
SHRINKAGE = 0.1  # of the noise's covariance, towards a multiple of the identity
CLIPPED = 4.0  # deviations: cuts and deaths are no motion


@dataclass(frozen=True, kw_only=True)
class Moments:
    """Sums over each group's frames: predictors with themselves xx [g p p], with descriptors
    xy [g p d], descriptors with themselves yy [g d d], and frames [g]."""

    xx: np.ndarray
    xy: np.ndarray
    yy: np.ndarray
    frames: np.ndarray

    def precision(self) -> np.ndarray:
        """Inverse covariance [d d] of what the predictors do not explain."""
        response = solve(self.xx.sum(0), self.xy.sum(0))
        noise = self.yy.sum(0) - response.T @ self.xx.sum(0) @ response
        noise = noise / max(self.frames.sum(), 1)
        size = np.trace(noise) / len(noise) + 1e-9
        return np.linalg.inv((1 - SHRINKAGE) * noise + SHRINKAGE * size * np.eye(len(noise)))


def solve(xx: np.ndarray, xy: np.ndarray) -> np.ndarray:
    """Least squares, responses [p d]."""
    return np.linalg.solve(xx + RIDGE * np.eye(len(xx)), xy)


def sum_moments(pairs: Sequence[tuple[np.ndarray, np.ndarray]], groups: Sequence[int]) -> Moments:
    """Moments of (predictors [t p], descriptors [t d]) by the group that each pair belongs to.

    Descriptors are divided by their deviation over all pairs.
    """
    square = sum((y.astype(np.float64) ** 2).sum(0) for _, y in pairs)
    deviation = np.sqrt(square / max(sum(len(y) for _, y in pairs), 1)) + 1e-6
    width, d = pairs[0][0].shape[1], pairs[0][1].shape[1]
    count = max(groups) + 1
    xx, xy = np.zeros((count, width, width)), np.zeros((count, width, d))
    yy, frames = np.zeros((count, d, d)), np.zeros(count)
    for (x, y), group in zip(pairs, groups, strict=True):
        scaled = np.clip(y / deviation, -CLIPPED, CLIPPED)
        xx[group] += x.T @ x
        xy[group] += x.T @ scaled
        yy[group] += scaled.T @ scaled
        frames[group] += len(y)
    return Moments(xx=xx, xy=xy, yy=yy, frames=frames)


def changes(controls: np.ndarray, motion: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a stretch's predictors [t' n k] flattened, and descriptors [t' d].

    `controls` [t k] and `motion` [t-1 d], row i of which leads into frame i + 1.
    """
    pressed, moved = np.diff(controls[1:], axis=0), np.diff(motion, axis=0)  # into frames 2 ...
    reach = max(LAGS)
    rows = np.arange(reach, max(len(moved) - reach, reach))
    return np.concatenate([pressed[rows + lag] for lag in LAGS], axis=1), moved[rows]


def halves(moments: Moments, draws: int = DRAWS, seed: int = 0) -> np.ndarray:
    """Return responses [draws 2 p d] of two disjoint halves of the groups, each resampled."""
    random, count = np.random.default_rng(seed), len(moments.frames)
    out = np.empty((draws, 2, *moments.xy.shape[1:]))
    for draw in range(draws):
        order = random.permutation(count)
        for side, half in enumerate((order[: count // 2], order[count // 2 :])):
            weight = np.bincount(random.choice(half, len(half)), minlength=count)
            xx = np.tensordot(weight, moments.xx, 1)
            out[draw, side] = solve(xx, np.tensordot(weight, moments.xy, 1))
    return out


def resampled(moments: Moments, draws: int = DRAWS, seed: int = 0) -> np.ndarray:
    """Return responses [draws p d] of all groups, resampled."""
    random, count = np.random.default_rng(seed), len(moments.frames)
    weights = random.multinomial(count, np.full(count, 1 / count), draws).astype(float)
    xx, xy = (np.tensordot(weights, sums, 1) for sums in (moments.xx, moments.xy))
    return np.stack([solve(*pair) for pair in zip(xx, xy, strict=True)])


def strength_interval(point: np.ndarray, draws: np.ndarray, precision: np.ndarray) -> list[float]:
    """[strength, low, high] of a response [d], estimated again as [draws d]: about 95 %.

    The square of an estimate is too large by the trace of its covariance C, which is taken off.
    Its variance is 2 tr C^2 + 4 h' C h; its left tail is short and its right one long, as chi
    squared's are with some dozens of degrees of freedom.
    """
    white = np.linalg.cholesky(precision)
    h, scatter = point @ white, np.cov(draws @ white, rowvar=False)
    chance = np.trace(scatter @ scatter)
    middle = float(h @ h - np.trace(scatter))
    deviation = np.sqrt(2 * chance + 4 * max(h @ scatter @ h - chance, 0.0))
    return [middle, float(middle - 2.2 * deviation), float(middle + 2.0 * deviation)]


def strength(one: np.ndarray, other: np.ndarray, precision: np.ndarray) -> np.ndarray:
    """Cross-validated squared distance from no answer, of responses [... d], in noise variances."""
    return np.einsum("...d,de,...e->...", one, precision, other)


def interval(values: np.ndarray) -> list[float]:
    """[median, low, high] of draws [n]: the middle 95 %."""
    return np.percentile(values, [50, 2.5, 97.5]).tolist()

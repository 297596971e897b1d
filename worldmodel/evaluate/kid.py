"""Kernel inception distance (Binkowski et al. 2018), on the features that it is given.

The squared maximum mean discrepancy under the kernel (x.y / f + 1)^3, unbiased (Gretton et al.
2012, eq. 4: pairs of clips, each with its real counterpart). Frames of one clip are not
independent, so only pairs of different clips are counted; a perfect copy then has exactly 0, and
an estimate may be negative. Intervals come from halves of the clips, drawn without replacement: an
estimate from n / 2 of n varies about the whole's as that varies about the truth (Politis, Romano &
Wolf 1999).
Shapes: b clips, k frames of a clip, f features.
"""

import numpy as np
from einops import rearrange
from torch import Tensor

from worldmodel.evaluate.figures import TAILS, Figure

THOUSAND = 1000.0  # KID is printed times this
HALVES = 500
UNIT = "x0.001"


def kernel(x: Tensor, y: Tensor) -> Tensor:
    """k(x, y) = (x.y / f + 1)^3 for x [n f] and y [m f] -> [n m], in float64."""
    return (x.double() @ y.double().T / x.shape[1] + 1) ** 3


def clip_pairs(found: Tensor, real: Tensor) -> np.ndarray:
    """h [b b] of Gretton's eq. 4, each entry the mean over two clips' frames.

    `found` and `real` are features [b k f] of the same clips.
    """
    x, y = (rearrange(part, "b k f -> (b k) f") for part in (found, real))
    across = _by_clip(kernel(x, y), len(found))
    pairs = _by_clip(kernel(x, x), len(found)) + _by_clip(kernel(y, y), len(found))
    return (pairs - across - across.T).numpy()


def _by_clip(values: Tensor, clips: int) -> Tensor:
    """[b*k b*j] -> means [b b]."""
    return rearrange(values, "(a k) (b j) -> a b (k j)", a=clips, b=clips).mean(dim=-1)


def squared_discrepancy(pairs: np.ndarray) -> float:
    """The mean over pairs of different clips, of a matrix that `clip_pairs` returned."""
    count = len(pairs)
    if count < 2:
        return float("nan")
    return float((pairs.sum() - np.trace(pairs)) / (count * (count - 1)))


def kid(pairs: np.ndarray, *, frames: int, seeds: np.ndarray) -> Figure:
    """KID times 1000 with its interval; `frames` of each clip were judged."""
    return _figure(lambda rows: THOUSAND * _over(pairs, rows), len(pairs), frames, seeds, UNIT)


def kid_ratio(above: np.ndarray, below: np.ndarray, *, frames: int, seeds: np.ndarray) -> Figure:
    """How many times the KID of `below` that of `above` is, over the same clips.

    Where a half has a KID of nothing or less below, its ratio counts as infinite.
    """

    def ratio(rows: np.ndarray) -> float:
        bottom = _over(below, rows)
        return _over(above, rows) / bottom if bottom > 0 else np.inf

    return _figure(ratio, len(above), frames, seeds, "")


def windows(features: Tensor, length: int) -> Tensor:
    """Features [b k f] of following frames, joined by windows [b k/length length*f]."""
    return rearrange(features, "b (k l) f -> b k (l f)", l=length)


def _over(pairs: np.ndarray, rows: np.ndarray) -> float:
    return squared_discrepancy(pairs[np.ix_(rows, rows)])


def _figure(statistic: object, clips: int, frames: int, seeds: np.ndarray, unit: str) -> Figure:
    draw = np.random.default_rng(0)
    rests = {
        "unit": unit,
        "clips": clips,
        "frames": clips * frames,
        "seeds": len(set(map(int, seeds))),
    }
    value = statistic(np.arange(clips))
    if clips < 4:
        return Figure(value=value, low=float("nan"), high=float("nan"), **rests)
    halves = [statistic(draw.choice(clips, clips // 2, replace=False)) for _ in range(HALVES)]
    low, high = np.quantile(halves, TAILS, method="nearest")
    return Figure(value=value, low=float(low), high=float(high), **rests)

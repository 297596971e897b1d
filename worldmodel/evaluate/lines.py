"""Lines of plots from values by clip, and strips of frames."""

import numpy as np
from einops import rearrange
from torch import Tensor

from worldmodel.evaluate.figures import DRAWS, TAILS, Line

GAP = 2  # white pixels between the frames of a strip


def mean_line(
    name: str, x: np.ndarray, values: np.ndarray, where: np.ndarray | None = None
) -> Line:
    """The mean over clips of values [b n] at x [n], with its 95 % bootstrap interval.

    `where`, bool [b n], says which values count; points at which none does are left out.
    """
    counts = np.ones(values.shape, bool) if where is None else where
    some = counts.any(axis=0)
    if not some.any():
        return Line(name=name, x=(), y=())
    x, values, counts = np.asarray(x)[some], values[:, some] * counts[:, some], counts[:, some]
    picks = np.random.default_rng(0).integers(len(values), size=(DRAWS, len(values)))
    drawn = np.stack([np.bincount(pick, minlength=len(values)) for pick in picks])
    total = drawn @ counts
    means = np.where(total > 0, drawn @ values / np.maximum(total, 1), np.nan)
    low, high = np.nanquantile(means, TAILS, axis=0)
    parts = x, values.sum(axis=0) / counts.sum(axis=0), low, high
    return Line(name=name, **dict(zip(("x", "y", "low", "high"), map(_floats, parts), strict=True)))


def _floats(values: np.ndarray) -> tuple[float, ...]:
    return tuple(map(float, values))


def strip(rows: list[Tensor]) -> np.ndarray:
    """Rows of frames, uint8 [t H W 3] each, as one picture uint8 [h w 3]."""
    stacked = np.stack([np.asarray(row) for row in rows])
    edges = ((0, 0), (0, 0), (0, GAP), (0, GAP), (0, 0))
    framed = np.pad(stacked, edges, constant_values=255)
    return rearrange(framed, "r t h w c -> (r h) (t w) c")[:-GAP, :-GAP]


def side_by_side(left: Tensor, right: Tensor) -> np.ndarray:
    """Two films uint8 [t H W 3] next to each other, uint8 [t H 2W+gap 3]."""
    films = [np.asarray(left), np.asarray(right)]
    gap = np.full((*films[0].shape[:2], GAP, 3), 255, np.uint8)
    return np.concatenate([films[0], gap, films[1]], axis=2)

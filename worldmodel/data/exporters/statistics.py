"""Figures of a feature as LeRobot keeps them: of one episode, and of several taken together."""

from collections.abc import Sequence

import numpy as np

QUANTILES = {"q01": 0.01, "q10": 0.10, "q50": 0.50, "q90": 0.90, "q99": 0.99}


def describe(values: np.ndarray, count: int | None = None) -> dict[str, np.ndarray]:
    """Return min, max, mean, std and quantiles, each float64 [k], of values [n k], and the count,
    int64 [1] (n unless given)."""
    values = values.astype(np.float64)
    return {
        "min": values.min(0),
        "max": values.max(0),
        "mean": values.mean(0),
        "std": values.std(0),
        "count": np.array([len(values) if count is None else count]),
        **{name: np.quantile(values, q, axis=0) for name, q in QUANTILES.items()},
    }


def merged(figures: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Return the figures of all episodes together; quantiles are means of the episodes'."""
    count = np.array([f["count"][0] for f in figures])
    share = (count / count.sum())[:, None]
    mean = (share * [f["mean"] for f in figures]).sum(0)
    square = (share * [f["std"] ** 2 + f["mean"] ** 2 for f in figures]).sum(0)
    return {
        "min": np.min([f["min"] for f in figures], 0),
        "max": np.max([f["max"] for f in figures], 0),
        "mean": mean,
        "std": np.sqrt(np.maximum(square - mean**2, 0)),
        "count": np.array([count.sum()]),
        **{name: (share * [f[name] for f in figures]).sum(0) for name in QUANTILES},
    }

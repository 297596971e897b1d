"""Two settings or checkpoints in one run, in turns, so that both meet the same machine.

ABBA: the order turns round at every pair, so that a machine that warms up or slows down favours
neither. The ratio is the median over pairs; its interval is drawn by bootstrap over the pairs.
"""

from collections.abc import Callable

import numpy as np

from worldmodel.evaluate.bench.machine import milliseconds
from worldmodel.evaluate.bench.report import progress

Sample = Callable[[], float]  # does the work once: seconds of one unit of it
PAIRS = 24
DRAWS = 4000


def compare(samples: dict[str, Sample], unit: str, pairs: int = PAIRS) -> dict[str, object]:
    """Run two named samples in ABBA order; JSON-ready figures.

    "ratio" is what the first costs over what the second costs, with its 95 % interval.
    """
    seconds: dict[str, list[float]] = {name: [] for name in samples}
    for sample in samples.values():
        sample()  # warm
    for pair in range(pairs):
        progress(f"pair {pair + 1} of {pairs}")
        for name in list(samples)[:: 1 if pair % 2 == 0 else -1]:
            seconds[name].append(samples[name]())
    first, second = seconds.values()
    ratio, low, high = ratio_of(first, second)
    return {
        "compared": list(samples),
        "milliseconds of": unit,
        "milliseconds": {name: milliseconds(values) for name, values in seconds.items()},
        "ratio": {"p50": ratio, "low": low, "high": high},
        "pairs": pairs,
    }


def ratio_of(first: list[float], second: list[float]) -> tuple[float, float, float]:
    """Median ratio over pairs and its 95 % bootstrap interval."""
    logs = np.log(first) - np.log(second)
    draws = np.random.default_rng(0).integers(len(logs), size=(DRAWS, len(logs)))
    low, high = np.percentile(np.median(logs[draws], axis=1), [2.5, 97.5])
    return tuple(float(np.exp(x)) for x in (np.median(logs), low, high))

"""What a report is made of: figures with their intervals, curves and pictures, in sections.

A section is made by a function of its own; the report prints them without knowing what they are.
"""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass

import numpy as np

DRAWS = 1000  # bootstrap resamples
TAILS = (0.025, 0.975)  # of a 95 % interval


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A number, its 95 % interval and what it rests on."""

    value: float
    low: float
    high: float
    unit: str  # "dB", "" for a ratio or share
    clips: int  # that were resampled for the interval
    frames: int  # that were judged, over all clips
    seeds: int  # different game seeds (episodes) that the clips come from

    def __str__(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        return f"{_short(self.value)} ({_short(self.low)} to {_short(self.high)}){unit}"


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of a plot: y [n] with its interval, low and high [n] (both empty: none)."""

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A plot of lines that share their axes; `scale` is "linear" or "log" and means x's."""

    title: str
    x_label: str
    y_label: str
    lines: tuple[Line, ...]
    scale: str = "linear"


@dataclass(frozen=True, kw_only=True)
class Picture:
    """uint8 [h w 3], or [t h w 3] at `fps` frames a second for one that moves."""

    caption: str
    pixels: np.ndarray
    fps: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Section:
    """One part of a report; `text` says in plain words what its figures mean."""

    title: str
    text: str
    figures: dict[str, Figure]
    curves: tuple[Curve, ...] = ()
    pictures: tuple[Picture, ...] = ()

    def as_json(self) -> dict[str, object]:
        """Everything but the pictures, as JSON-ready values."""
        return {
            "title": self.title,
            "text": self.text,
            "figures": {name: asdict(figure) for name, figure in self.figures.items()},
            "curves": [asdict(curve) for curve in self.curves],
        }


def bootstrap(
    *samples: np.ndarray,
    statistic: Callable[..., np.ndarray] | None = None,
    unit: str = "",
    frames: int = 1,
    seeds: Iterable[int] | int = 0,
) -> Figure:
    """A statistic of clips with its 95 % percentile interval (Efron & Tibshirani 1993, ch. 13).

    Each sample is an array [clips, ...]; all are resampled with the same clips. `statistic` takes
    them so and returns one number; without it, it is the mean of the only sample over everything.
    `frames` were judged in each clip, `seeds` are the game seeds that the clips come from, or how
    many there are. Raises ValueError when samples disagree in their number of clips.
    """
    clips = len(samples[0])
    if any(len(sample) != clips for sample in samples):
        raise ValueError(f"samples of {[len(s) for s in samples]} clips cannot be drawn together")
    measure = statistic or np.mean
    count = seeds if isinstance(seeds, int) else len(set(map(int, seeds)))
    rests = {"unit": unit, "clips": clips, "frames": clips * frames, "seeds": count}
    if clips == 0:
        return Figure(value=np.nan, low=np.nan, high=np.nan, **rests)
    picks = np.random.default_rng(0).integers(clips, size=(DRAWS, clips))
    values = [float(measure(*(sample[pick] for sample in samples))) for pick in picks]
    low, high = np.quantile(values, TAILS)
    return Figure(value=float(measure(*samples)), low=float(low), high=float(high), **rests)


def ratio_of_means(above: np.ndarray, below: np.ndarray) -> float:
    """A statistic for `bootstrap`: how many times `below` is `above`, in the mean."""
    return float(np.mean(above) / np.mean(below))


def _short(value: float) -> str:
    """Three significant digits, and never an exponent for what people read."""
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"

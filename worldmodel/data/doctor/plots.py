"""Plots of findings' figures, as SVG for the page."""

from collections.abc import Callable, Mapping
from io import BytesIO
from itertools import pairwise
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK, MUTED, ACCENT, ALARM = "#1d2733", "#9aa7b4", "#2b6cb0", "#c0392b"
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "worldmodel",
    "font.size": 9,
    "font.family": "sans-serif",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}
Figures = Mapping[str, Any]
Intervals = Mapping[str, list[float]]


def plots_of(name: str, figures: Figures) -> list[str]:
    """Return the plots, as SVG elements, of the finding of this name; [] when it has none."""
    return [_svg(draw, figures) for draw in PLOTS.get(name, ()) if figures]


def _svg(draw: Callable[[Figure, Figures], None], figures: Figures) -> str:
    with matplotlib.rc_context(STYLE):
        figure, out = Figure(figsize=(5.2, 2.8), layout="constrained"), BytesIO()
        draw(figure, figures)
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None})
    text = out.getvalue().decode()
    return text[text.index("<svg") :]


def _alignment(figure: Figure, figures: Figures) -> None:
    axes: Axes = figure.subplots()
    lags = figures["strength by lag"]
    best = figures.get("best lag")
    colours = [(ACCENT if best == 0 else ALARM) if int(at) == best else MUTED for at in lags]
    values = [v[0] for v in lags.values()]
    axes.bar(list(lags), values, color=colours)
    axes.errorbar(list(lags), values, yerr=_errors(lags), fmt="none", ecolor=INK, lw=1)
    axes.axhline(0, color=MUTED, lw=0.8)
    axes.set_xlabel("lag (frames): at 0 each action produced its own frame")
    axes.set_ylabel("answer to changes of keys")


def _dead(figure: Figure, figures: Figures) -> None:
    axes: Axes = figure.subplots()
    answers = figures["answer (squared deviations)"]
    names, values = list(answers)[::-1], [answers[n][0] for n in list(answers)[::-1]]
    colours = [ALARM if n in figures["dead"] else ACCENT for n in names]
    errors = _errors({n: answers[n] for n in names})
    axes.errorbar(values, names, xerr=errors, fmt="none", ecolor=INK, lw=1)
    axes.scatter(values, names, color=colours, zorder=3)
    axes.axvline(0, color=MUTED, lw=0.8)
    axes.set_xscale("symlog", linthresh=0.1)
    none = figures["none is below"]
    axes.axvspan(-none, none, color=MUTED, alpha=0.2)
    axes.set_xlabel("answer within three frames of a press (grey band: none)")


def _consistency(figure: Figure, figures: Figures) -> None:
    axes: Axes = figure.subplots()
    cuts = figures["cuts"]
    for shift, (where, cut) in enumerate(cuts.items()):
        names = list(cut["difference"])
        at = [i + (shift - 1.5) * 0.18 for i in range(len(names))]
        values = [cut["difference"][n][0] for n in names]
        errors = _errors(cut["difference"])
        axes.errorbar(values, at, xerr=errors, fmt="o", ms=3, lw=1, label=where)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.axvline(0, color=MUTED, lw=0.8)
    axes.set_xlabel("difference between the parts (0: same, 4: opposite)")
    axes.legend(fontsize=6, frameon=False, loc="upper left", bbox_to_anchor=(0, -0.2))


def _errors(intervals: Intervals) -> list[list[float]]:
    low = [max(v[0] - v[1], 0) for v in intervals.values()]
    return [low, [max(v[2] - v[0], 0) for v in intervals.values()]]


def _shares(figure: Figure, figures: Figures) -> None:
    shares = {n: v["share"] for n, v in figures["buttons"].items()} | {"no key": figures["none"]}
    _bars(figure, shares, "share of the frames")


def _combinations(figure: Figure, figures: Figures) -> None:
    _bars(figure, figures["combinations"], "share of the frames (combinations)")


def _bars(figure: Figure, values: Mapping[str, float], label: str) -> None:
    axes: Axes = figure.subplots()
    axes.barh(list(values)[::-1], list(values.values())[::-1], color=ACCENT)
    axes.locator_params(axis="x", nbins=5)
    axes.tick_params(axis="y", labelsize=7 if len(values) > 8 else 9)
    axes.set_xlabel(label)


def _holds(figure: Figure, figures: Figures) -> None:
    axes: Axes = figure.subplots()
    for name, values in figures["buttons"].items():
        holds = values["hold histogram"]
        axes.plot(list(holds), list(holds.values()), marker="o", ms=3, lw=1, label=name)
    axes.set_xlabel("length of a hold, up to (frames)")
    axes.set_ylabel("holds")
    if figures["buttons"]:
        axes.legend(fontsize=7, frameon=False)


def _motion(figure: Figure, figures: Figures) -> None:
    edges = figures["edges"]
    names = [f"{a:g}-{b:g}" for a, b in pairwise(edges)]
    _histogram(figure, names, figures["histogram"], "change from the frame before (grey levels)")


def _brightness(figure: Figure, figures: Figures) -> None:
    names = [str(16 * i) for i in range(len(figures["histogram"]))]
    _histogram(figure, names, figures["histogram"], "mean brightness, from")


def _histogram(figure: Figure, names: list[str], shares: list[float], label: str) -> None:
    axes: Axes = figure.subplots()
    axes.bar(names, shares, color=ACCENT)
    axes.tick_params(axis="x", rotation=45)
    axes.set_xlabel(label)
    axes.set_ylabel("share of the frames")


PLOTS: dict[str, tuple[Callable[[Figure, Figures], None], ...]] = {
    "alignment": (_alignment,),
    "dead keys": (_dead,),
    "consistency": (_consistency,),
    "keys": (_shares, _combinations, _holds),
    "motion": (_motion,),
    "brightness": (_brightness,),
}

"""Figures for people and for programs."""

import json
import sys
from collections.abc import Iterator, Mapping


def print_report(report: Mapping[str, object], *, as_json: bool = False) -> None:
    """One line of JSON, or a line for each figure."""
    if as_json:
        print(json.dumps(report), flush=True)
        return
    for name, value in lines(report):
        print(f"{name:44} {value}")


def lines(figures: Mapping[str, object], before: str = "") -> Iterator[tuple[str, str]]:
    """(name, value) of every figure; the names of nested ones are joined."""
    for name, value in figures.items():
        whole = f"{before} {name}".strip().replace("_", " ")
        if isinstance(value, Mapping) and "p50" not in value:
            yield from lines(value, whole)
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            for row in value:
                yield from lines({k: v for k, v in row.items() if is_figure(v)}, where(whole, row))
        else:
            yield whole, text(value)


def where(name: str, row: Mapping[str, object]) -> str:
    """The name of a table's row: what it varies."""
    varied = (f"{k} {v}" for k, v in row.items() if not is_figure(v))
    return f"{name}: {', '.join(varied)},"


def is_figure(value: object) -> bool:
    """A measured value, not one of those that were set."""
    return isinstance(value, Mapping | float)


def text(value: object) -> str:
    """Three digits; a spread as its median with what it spreads over."""
    if isinstance(value, Mapping):
        low, high = (k for k in value if k != "p50")
        return f"{text(value['p50'])} ({low} {text(value[low])}, {high} {text(value[high])})"
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def progress(sentence: str) -> None:
    """What is being done, for whoever waits; not part of the output."""
    print(f"  {sentence}", file=sys.stderr, flush=True)

"""What a command is: a function that adds its flags to a parser and returns what runs it."""

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping

Run = Callable[[Namespace], int | None]
Commands = dict[str, tuple[Callable[[ArgumentParser], Run], str]]


def add_json(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON (default: a table)")


def report(figures: Mapping[str, object], as_json: bool) -> None:
    """Print figures: as JSON, or a line each; [mean, low, high] becomes mean (low to high)."""
    if as_json:
        print(json.dumps(figures, indent=2))
        return
    for name, value in figures.items():
        if isinstance(value, list) and len(value) == 3:
            value = "{:.4g}  ({:.4g} to {:.4g})".format(*value)
        print(f"{name:40} {value:.4g}" if isinstance(value, float) else f"{name:40} {value}")

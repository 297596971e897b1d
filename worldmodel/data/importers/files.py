"""Files that others wrote: names that are safe to use, lines that are read with their numbers."""

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from worldmodel.errors import UserError

LINE = 1 << 20  # characters; an honest line of actions has a few thousand
NAME = 80


def shown(path: Path | str) -> str:
    """A path as it can be printed in one line, whatever is in its name."""
    return str(path).encode("unicode_escape", "surrogateescape").decode("ascii", "replace")


def slug(name: str) -> str:
    """A file name that is safe anywhere: letters, digits, `-` and `_`; never empty or hidden."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-_")
    return plain[-NAME:].strip("-_") or "recording"


def unique(names: list[str]) -> list[str]:
    """The names in their order, those that came before with a number behind them."""
    seen: set[str] = set()
    out = []
    for name in names:
        fresh, number = name, 2
        while fresh.lower() in seen:
            fresh, number = f"{name}-{number}", number + 1
        seen.add(fresh.lower())
        out.append(fresh)
    return out


def inside(folder: Path, name: str) -> Path | None:
    """The file of that name beside others in a folder; None when it is not there.

    Only the last part of a name counts, whichever system wrote it, so that a recording never
    reaches out of its folder.
    """
    path = folder / re.split(r"[\\/]", name)[-1]
    return path if path.is_file() else None


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (number from 1, line) of a UTF-8 text file.

    Raises UserError, naming file and line, for what is no text and for endless lines.
    """
    number = 1
    try:
        with path.open(encoding="utf-8-sig", newline=None) as file:
            while line := file.readline(LINE + 1):
                if len(line) > LINE:
                    raise damaged(path, number, f"a line of at most {LINE} characters")
                yield number, line.rstrip("\n")
                number += 1
    except UnicodeDecodeError as error:
        raise damaged(path, number, f"text in UTF-8 ({error.reason})") from error
    except OSError as error:
        raise UserError(f"{shown(path)} cannot be read ({error.strerror}).") from error


def json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (number, object) of a JSONL file; empty lines are passed over.

    Raises UserError, naming file and line, where a line is no JSON object.
    """
    for number, line in numbered_lines(path):
        if line.strip():
            yield number, json_object(path, number, line)


def json_object(path: Path, number: int, text: str) -> dict[str, Any]:
    """Parse a line; raise UserError when it is no JSON object."""
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise damaged(path, number, f"a JSON object ({error})") from error
    if not isinstance(record, dict):
        raise damaged(path, number, "a JSON object")
    return record


def json_file(path: Path) -> dict[str, Any]:
    """Read a JSON file that holds one object; raise UserError when it does not."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        record = json.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{shown(path)} should be JSON but cannot be read ({error}).") from error
    if not isinstance(record, dict):
        raise UserError(f"{shown(path)} should hold a JSON object, but holds another value.")
    return record


def number_in(path: Path, line: int, name: str, value: object) -> float:
    """A finite number from a line; raise UserError, naming file and line, for anything else."""
    try:
        found = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        found = math.nan
    if isinstance(value, bool) or not math.isfinite(found):
        raise damaged(path, line, f"a number as {name}, found {value!r:.40}")
    return found


def damaged(path: Path, line: int, expected: str) -> UserError:
    """The sentence for a line that is not as it should be."""
    return UserError(
        f"{shown(path)} line {line} should be {expected}; restore the file, or leave the "
        f"recording out with --skip-damaged."
    )

"""A folder of videos, each with a table of keys beside it: CSV or JSONL, described by a mapping.

`walk.mp4` goes with `walk.csv` or `walk.jsonl` (or `walk` + the mapping's suffix). A table either
lists events (a key goes down or up at a time on the video's clock: it belongs to the first frame
that is not earlier), or all keys held, from a time on or for a frame with a number from 0.
"""

import csv
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from worldmodel.data.importers.files import damaged, json_lines, number_in, numbered_lines, shown
from worldmodel.data.importers.film import SUFFIXES, frames_of, probe
from worldmodel.data.importers.held import Event, count_presses, merge, on_clock
from worldmodel.data.importers.mapping import UNITS
from worldmodel.data.importers.mapping import Mapping as Meaning
from worldmodel.data.importers.record import Record, Recording
from worldmodel.data.importers.settings import Settings
from worldmodel.errors import UserError

Row = tuple[int, Mapping[str, Any]]


def holds(source: Path) -> bool:
    """Whether a video has a .csv beside it (a .jsonl is taken for VPT's unless asked)."""
    return any(video.with_suffix(".csv").is_file() for video in videos(source))


def videos(source: Path) -> list[Path]:
    """All videos in a folder and those below, in the order of their names."""
    return sorted(p for p in source.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())


def recordings(source: Path, settings: Settings) -> list[Recording]:
    """Every video with its table; raise UserError when there is none."""
    pairs = [(video, _table(video, settings.mapping.suffix)) for video in videos(source)]
    paired = [(video, table) for video, table in pairs if table is not None]
    if not paired:
        raise UserError(
            f"{shown(source)} has no video with a table of its name beside it (walk.mp4 and "
            f"walk.csv); name the table's ending as suffix in a --mapping."
        )
    found = settings.gather(paired, lambda pair: _recording(*pair, settings))
    if found and len(paired) < len(pairs):
        found[0].note(f"{len(pairs) - len(paired)} videos without a table were left out")
    return found


def _table(video: Path, suffix: str) -> Path | None:
    for ending in (suffix,) if suffix else (".csv", ".jsonl"):
        path = video.with_name(video.stem + ending)
        if path.is_file() and path != video:
            return path
    return None


def _recording(video: Path, table: Path, settings: Settings) -> Recording:
    film, notes, meaning = probe(video), [], settings.mapping
    framed = meaning.kind == "held" and _first_row(table, meaning)
    return Recording(
        name=video.stem,
        group=video.stem,
        source=f"{video.name} with {table.name}",
        fps=film.fps,
        gap=0.5,
        size=film.size,
        records=lambda: (
            _by_frame(video, table, meaning, notes)
            if framed
            else merge(frames_of(video), on_clock(_events(table, meaning), settings.offset))
        ),
        presses=lambda: _presses(table, meaning, framed),
        shift=1 if framed and meaning.alignment == "after" else 0,
        notes=notes,
    )


def _presses(table: Path, meaning: Meaning, framed: bool) -> Counter[str]:
    if framed:
        return Counter(k for row in _rows(table, meaning) for k in _held(table, meaning, *row))
    return count_presses(_events(table, meaning))


def _first_row(table: Path, meaning: Meaning) -> bool:
    """Whether a table of held keys counts frames and does not tell times."""
    _, row = next(_rows(table, meaning), (0, {}))
    return meaning.frame in row


def _rows(table: Path, meaning: Meaning) -> Iterator[Row]:
    """Yield (line, columns) of a table; raise UserError, naming file and line."""
    if table.suffix.lower() in (".jsonl", ".ndjson"):
        yield from json_lines(table)
        return
    lines = numbered_lines(table)
    _, header = next(lines, (1, ""))
    names = [name.strip() for name in next(csv.reader([header]), [])]
    for number, line in lines:
        if not line.strip():
            continue
        values = next(csv.reader([line], strict=False))
        if len(values) != len(names):
            raise damaged(table, number, f"{len(names)} columns, found {len(values)}")
        yield number, dict(zip(names, map(str.strip, values), strict=True))


def _events(table: Path, meaning: Meaning) -> Iterator[Event]:
    unit = UNITS[meaning.unit]
    for line, row in _rows(table, meaning):
        time = number_in(table, line, meaning.time, _column(table, line, row, meaning.time)) * unit
        axes = _axes(table, meaning, line, row)
        if meaning.kind == "held":
            held = frozenset(_held(table, meaning, line, row))
            yield Event(time=time, held=held, axes=axes)
        elif row.get(meaning.key) in (None, ""):
            yield Event(time=time, axes=axes)
        else:
            code = _code(table, meaning, line, row[meaning.key])
            state = str(_column(table, line, row, meaning.state)).lower()
            if state not in (*meaning.down, *meaning.up):
                raise damaged(
                    table, line, f"{meaning.state} of {meaning.down + meaning.up}, found {state!r}"
                )
            yield Event(
                time=time, axes=axes, **{"down" if state in meaning.down else "up": (code,)}
            )


def _column(table: Path, line: int, row: Mapping[str, Any], name: str) -> Any:
    if name not in row:
        raise damaged(table, line, f"a row with the column {name!r}, found {list(row)[:8]}")
    return row[name]


def _code(table: Path, meaning: Meaning, line: int, name: object) -> str:
    code = meaning.code(str(name))
    if code is None:
        raise damaged(
            table, line, f"a key that is known, found {str(name)!r:.30} (name it in a --mapping)"
        )
    return code


def _held(table: Path, meaning: Meaning, line: int, row: Mapping[str, Any]) -> list[str]:
    """The keys of a row: a list, or a text with + or spaces between."""
    value = _column(table, line, row, meaning.held)
    if isinstance(value, str) and value.startswith("["):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise damaged(table, line, f"a list of keys ({error})") from error
    names = value.replace("+", " ").replace(";", " ").split() if isinstance(value, str) else value
    if not isinstance(names, list):
        raise damaged(table, line, f"a list of keys, found {value!r:.30}")
    return [_code(table, meaning, line, name) for name in names]


def _axes(table: Path, meaning: Meaning, line: int, row: Mapping[str, Any]) -> dict[str, float]:
    columns = {"look_x": meaning.dx, "look_y": meaning.dy}
    return {
        axis: number_in(table, line, column, row[column])
        for axis, column in columns.items()
        if row.get(column) not in (None, "")
    }


def _by_frame(video: Path, table: Path, meaning: Meaning, notes: list[str]) -> Iterator[Record]:
    """Rows that name frames; a frame without a row has no keys, and is counted."""
    rows: dict[int, Row] = {}
    for line, row in _rows(table, meaning):
        index = number_in(table, line, meaning.frame, _column(table, line, row, meaning.frame))
        if index in rows or index != int(index) or index < 0:
            raise damaged(table, line, f"a frame that no row before had, found {index:g}")
        rows[int(index)] = line, row
    without = 0
    for index, (time, picture) in enumerate(frames_of(video)):
        line, row = rows.pop(index, (0, None))
        without += row is None
        keys = () if row is None else tuple(_held(table, meaning, line, row))
        axes = {} if row is None else _axes(table, meaning, line, row)
        yield Record(picture=picture, time=time, keys=keys, axes=axes)
    if rows:
        line = min(line for line, _ in rows.values())
        raise damaged(table, line, f"a frame that {video.name} has")
    if without:
        notes.append(f"{without} frames have no row in {table.name} and count as without keys")

"""OWL Control recordings: a folder with a video, inputs.csv and metadata.json.

Written and described by github.com/Wayfarer-Labs/owl-control: `timestamp,event_type,"event_args"`
with the time of day in seconds and JSON in quotes, its own quotes doubled or not. VIDEO_START is
the moment of the video's first frame, so an event belongs to the first frame that is not earlier.
Mouse movement is raw counts of the device; keys are Windows' virtual key codes. HOOK_START says
when the picture of the game was caught; before it the video is black.
"""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from worldmodel.data.importers.files import (
    damaged,
    json_file,
    number_in,
    numbered_lines,
    shown,
)
from worldmodel.data.importers.film import frames_of, probe
from worldmodel.data.importers.held import Event, count_presses, merge, on_clock
from worldmodel.data.importers.keys import VIRTUAL_KEYS
from worldmodel.data.importers.record import Picture, Record, Recording
from worldmodel.data.importers.settings import Settings
from worldmodel.errors import UserError

DRIFT = 0.1  # seconds by which two clocks may differ over a recording without being named
READ = {"KEYBOARD", "MOUSE_BUTTON", "MOUSE_MOVE"}
NOT_READ = {
    "SCROLL": "scroll wheel",
    "GAMEPAD_BUTTON": "gamepad",
    "GAMEPAD_BUTTON_VALUE": "gamepad",
    "GAMEPAD_AXIS": "gamepad",
}
Marks = dict[str, float]


def holds(source: Path) -> bool:
    """Whether there is a folder with inputs.csv in it."""
    return any(source.rglob("inputs.csv"))


def recordings(source: Path, settings: Settings) -> list[Recording]:
    """Every folder with a video and its inputs; raise UserError when there is none."""
    folders = sorted({path.parent for path in source.rglob("inputs.csv")})
    valid = [
        f for f in folders if not ((f / ".invalid").exists() or (f / ".server_invalid").exists())
    ]
    if not valid:
        raise UserError(
            f"{shown(source)} has no recording of OWL Control: a folder with a video, inputs.csv "
            f"and metadata.json that is not marked .invalid."
        )
    found = settings.gather(valid, lambda folder: _recording(folder, settings))
    if found and len(valid) < len(folders):
        found[0].note(f"{len(folders) - len(valid)} recordings marked .invalid were left out")
    return found


def _recording(folder: Path, settings: Settings) -> Recording:
    videos = sorted(folder.glob("*.mp4"))
    if len(videos) != 1:
        raise UserError(f"{shown(folder)} should hold one .mp4, but holds {len(videos)}.")
    film, table, notes = probe(videos[0]), folder / "inputs.csv", []
    meta = json_file(folder / "metadata.json")
    offset = settings.offset
    return Recording(
        name=folder.name,
        group=str(meta.get("session_id") or folder.name),
        source=f"{folder.name}/{videos[0].name}",
        fps=film.fps,
        gap=0.5,
        size=film.size,
        records=lambda: _records(videos[0], table, offset, notes),
        presses=lambda: count_presses(read_inputs(table)[0]),
        game=str(meta.get("game_exe") or "unknown"),
        notes=notes,
    )


def _records(video: Path, table: Path, offset: float, notes: list[str]) -> Iterator[Record]:
    events, marks, passed_over = read_inputs(table)
    start = marks.get("VIDEO_START", marks.get("START"))
    if start is None:
        raise UserError(
            f"{shown(table)} should have a VIDEO_START, which says when the video begins, but has "
            f"none; leave the recording out with --skip-damaged."
        )
    caught = marks.get("HOOK_START", start) - start
    end = marks.get("END", max((e.time for e in events), default=start)) - start
    told = {
        "no VIDEO_START: the video is taken to begin with START": "VIDEO_START" not in marks,
        f"no END: frames after the last event ({end:.1f} s) were left out": "END" not in marks,
        f"the first {caught:.2f} s, before HOOK_START, were left out": caught > 0.05,
        f"not imported: {', '.join(sorted(passed_over))}": passed_over,
    }
    clock = _drift(probe(video).seconds, marks, start)
    told[clock] = clock
    notes += [sentence for sentence, true in told.items() if true and sentence not in notes]

    def frames() -> Iterator[tuple[float, Picture]]:
        for time, picture in frames_of(video):
            if caught <= time <= end:
                yield time, picture

    return merge(frames(), on_clock(events, offset - start))


def _drift(seconds: float, marks: Marks, start: float) -> str:
    """The sentence on how much longer the events' clock ran than the video's; "" for as long."""
    if "VIDEO_END" not in marks or "VIDEO_START" not in marks or seconds <= 0:
        return ""
    drift = marks["VIDEO_END"] - start - seconds
    if abs(drift) <= DRIFT:
        return ""
    return (
        f"VIDEO_START to VIDEO_END take {drift:+.2f} s more than the video's {seconds:.1f} s: "
        f"the clocks drift or the end was marked late; look at the end of the preview"
    )


def read_inputs(path: Path) -> tuple[list[Event], Marks, set[str]]:
    """Return the events of an inputs.csv, the times of its marks, and what is not imported.

    Raises UserError, naming file and line, for a line that is not of the format.
    """
    events, marks, passed_over, whole = [], {}, set(), Counter()
    for number, line in numbered_lines(path):
        if number == 1 and line.startswith("timestamp"):
            continue
        if not line.strip():
            continue
        stamp, kind, args = _fields(path, number, line)
        time = number_in(path, number, "timestamp", stamp)
        whole["." in stamp] += 1
        event = _event(path, number, time, kind, args)
        events += [event] if event else []
        if kind in NOT_READ:
            passed_over.add(NOT_READ[kind])
        elif kind not in READ:
            marks.setdefault(kind, time)
    if whole[False] > 4 and not whole[True]:
        raise UserError(
            f"{shown(path)} has times in whole seconds, as OWL Control wrote before 26 August "
            f"2025, so no key can be given to a frame; leave the recording out with --skip-damaged."
        )
    return events, marks, passed_over


def _fields(path: Path, number: int, line: str) -> tuple[str, str, Any]:
    """The three fields; the last one is JSON, in quotes or not, its own quotes doubled or not."""
    parts = line.split(",", 2)
    if len(parts) < 3:
        raise damaged(path, number, "timestamp,event_type,event_args")
    text = parts[2]
    if text[:1] == text[-1:] == '"' and len(text) > 1:
        text = text[1:-1]
    for attempt in (text, text.replace('""', '"')):
        try:
            return parts[0], parts[1], json.loads(attempt)
        except (ValueError, RecursionError):
            continue
    raise damaged(path, number, "an event whose arguments are JSON")


def _event(path: Path, number: int, time: float, kind: str, args: Any) -> Event | None:
    """An event that changes keys or moves the mouse; None for any other."""
    try:
        if kind in ("KEYBOARD", "MOUSE_BUTTON"):
            if not isinstance(args[1], bool):
                raise TypeError("the second argument should be true or false")
            return Event(time=time, **{"down" if args[1] else "up": tuple(_codes([args[0]]))})
        if kind == "MOUSE_MOVE":
            moved = {"look_x": args[0], "look_y": args[1]}
            return Event(
                time=time, axes={n: number_in(path, number, n, v) for n, v in moved.items()}
            )
        if kind == "START" and isinstance(args, dict):  # since version 1.1; [] before
            held = [*args["inputs"]["keyboard"], *args["inputs"]["mouse"]]
            return Event(time=time, held=_codes(held))
    except (KeyError, IndexError, TypeError, ValueError) as error:
        if isinstance(error, UserError):
            raise
        raise damaged(path, number, f"a {kind} event ({error!r:.60})") from error
    return None


def _codes(keys: list[int]) -> frozenset[str]:
    """The W3C codes of virtual keys, without those that have none."""
    return frozenset(VIRTUAL_KEYS[key] for key in keys if key in VIRTUAL_KEYS)

"""OWAMcap: desktop recordings of open-world-agents, an .mcap of events beside an .mkv of frames.

Read as written by mcap-owa-support 0.2 to 0.6 (github.com/open-world-agents): `screen` messages
point at a frame of the video by its presentation time in nanoseconds (`pts`, later `media_ref`
with `pts_ns`) and carry the time of day of the capture, on the clock of all events; so an event
belongs to the first frame that was captured after it. The recorder writes no frame while the
screen does not change, which is no gap. Mouse movement is raw counts from `mouse/raw` where it was
recorded, otherwise the change of the cursor's place. Keys are Windows' virtual key codes.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from worldmodel.data.importers.files import inside, shown
from worldmodel.data.importers.film import Film, frames_of, probe
from worldmodel.data.importers.held import Event, count_presses, merge, on_clock
from worldmodel.data.importers.keys import MOUSE, VIRTUAL_KEYS
from worldmodel.data.importers.record import Picture, Record, Recording
from worldmodel.data.importers.settings import Settings
from worldmodel.errors import UserError

TOPICS = ("screen", "keyboard", "keyboard/state", "mouse", "mouse/raw", "mouse/state")
STILL = 10.0  # seconds for which a screen may stand still
NEAR = 2e-3  # seconds: a Matroska file rounds its times to milliseconds
MESSAGE, CHUNK = 1 << 24, 1 << 28  # bytes
NAMES = {"left": "Mouse0", "right": "Mouse2", "middle": "Mouse1"}
ABSOLUTE = 1  # flag of a raw mouse event whose numbers are a place


@dataclass(frozen=True, kw_only=True)
class Shot:
    """A screen message: when it was captured, and which frame of which file it is (seconds)."""

    time: float
    file: str
    at: float


@dataclass(frozen=True, kw_only=True)
class Log:
    """What an .mcap holds, on its own clock in seconds."""

    shots: list[Shot]
    events: list[Event]


def holds(source: Path) -> bool:
    """Whether there is an .mcap file."""
    return any(source.rglob("*.mcap"))


def recordings(source: Path, settings: Settings) -> list[Recording]:
    """Every .mcap with its video; raise UserError when there is none or one is damaged."""
    files = sorted(source.rglob("*.mcap"))
    if not files:
        raise UserError(f"{shown(source)} has no .mcap file in it.")
    return settings.gather(files, lambda path: _recording(path, settings))


def _recording(path: Path, settings: Settings) -> Recording:
    notes: list[str] = []
    film = _film(path, read_log(path))
    return Recording(
        name=path.stem,
        group=path.stem,
        source=path.name,
        fps=min(film.fps, 60.0),
        gap=STILL,
        size=film.size,
        records=lambda: _records(path, settings.offset, notes),
        presses=lambda: count_presses(read_log(path).events),
        game="desktop",
        notes=notes,
    )


def _film(path: Path, log: Log) -> Film:
    """The one video that the screen messages point at, beside the .mcap."""
    names = {shot.file for shot in log.shots}
    if len(names) != 1:
        raise UserError(
            f"{shown(path)} should have screen messages that point at one video, but points at "
            f"{len(names)}: {sorted(names)[:3]}; pictures inside messages are not read."
        )
    (name,) = names
    video = inside(path.parent, name)
    if video is None:
        raise UserError(f"{shown(path)} needs {name!r} beside it, and it is not there.")
    return probe(video)


def _records(path: Path, offset: float, notes: list[str]) -> Iterator[Record]:
    log = read_log(path)
    video = _film(path, log).path
    missing: list[int] = []
    yield from merge(_shots(video, log.shots, missing), on_clock(log.events, offset))
    if missing and missing[0] > 0:
        notes.append(f"{missing[0]} screen messages point behind the end of {video.name}")


def _shots(video: Path, shots: list[Shot], missing: list[int]) -> Iterator[tuple[float, Picture]]:
    """The frames that the messages point at, with the times of their capture."""
    frames = frames_of(video)
    current = next(frames, None)
    following = next(frames, None)
    last = float("-inf")
    for index, shot in enumerate(shots):
        while following is not None and following[0] <= shot.at + NEAR:
            current, following = following, next(frames, None)
        if current is None or (following is None and shot.at > current[0] + 1.0):
            missing.append(len(shots) - index)
            return
        if shot.time > last:
            last = shot.time
            yield shot.time, current[1]


@lru_cache(maxsize=2)
def read_log(path: Path) -> Log:
    """Read an .mcap; raise UserError, naming the file, when it is damaged or of another kind."""
    from mcap.exceptions import McapError
    from mcap.reader import SeekingReader

    shots, events, mouse = [], [], []
    try:
        with path.open("rb") as file:
            reader = SeekingReader(file, record_size_limit=MESSAGE)
            if reader.get_header().profile != "owa":
                raise UserError(
                    f"{shown(path)} should be an OWAMcap (profile 'owa'), but has the profile "
                    f"{reader.get_header().profile!r:.40}."
                )
            summary = reader.get_summary()
            chunks = summary.chunk_indexes if summary else []
            if max((chunk.uncompressed_size for chunk in chunks), default=0) > CHUNK:
                raise _unreadable(path, "a chunk of it would fill the memory")
            for schema, channel, message in reader.iter_messages(topics=TOPICS):
                content = _content(path, message.data)
                time = message.log_time / 1e9
                kind = schema.name.replace("/", ".").rsplit(".", 1)[-1] if schema else ""
                if channel.topic == "screen":
                    shots.append(_shot(time, content))
                elif channel.topic.startswith("keyboard"):
                    events.append(_keyboard(time, content))
                else:
                    mouse.append((kind, time, content))
            events += _mouse(mouse)
    except (McapError, OSError, EOFError) as error:
        raise _unreadable(path, error) from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, UserError):
            raise
        raise _unreadable(path, repr(error)) from error
    return Log(shots=sorted(shots, key=lambda shot: shot.at), events=events)


def _unreadable(path: Path, error: object) -> UserError:
    return UserError(
        f"{shown(path)} should be an OWAMcap but cannot be read ({error!s:.80}); restore it, or "
        f"leave the recording out with --skip-damaged."
    )


def _content(path: Path, data: bytes) -> dict[str, Any]:
    content = json.loads(data)
    if not isinstance(content, dict):
        raise UserError(f"{shown(path)} has a message that is no JSON object.")
    return content


def _shot(time: float, content: dict[str, Any]) -> Shot:
    """A screen message of any version: the file and the time in it have had three names."""
    place = content.get("media_ref") or content
    file = place.get("uri") or place["path"]
    at = place["pts_ns"] if "pts_ns" in place else place["pts"]
    captured = content.get("utc_ns")
    if captured and abs(captured / 1e9 - time) < 1.0:
        time = captured / 1e9
    return Shot(time=time, file=str(file).removeprefix("file://"), at=int(at) / 1e9)


def _keyboard(time: float, content: dict[str, Any]) -> Event:
    if "event_type" in content:
        code = VIRTUAL_KEYS.get(content["vk"])
        change = {"press": "down", "release": "up"}[content["event_type"]]
        return Event(time=time, **{change: (code,)}) if code else Event(time=time)
    held = content["buttons"] if "buttons" in content else content["pressed_vk_list"]
    keys = {VIRTUAL_KEYS[vk] for vk in held if vk in VIRTUAL_KEYS}
    return Event(time=time, held=frozenset(keys), device="keyboard")


def _mouse(messages: list[tuple[str, float, dict[str, Any]]]) -> list[Event]:
    """The raw events where there are any, otherwise clicks and the change of the place."""
    states = [
        Event(time=t, held=frozenset(NAMES[b] for b in m["buttons"] if b in NAMES), device="mouse")
        for kind, t, m in messages
        if kind == "MouseState"
    ]
    raw = [_raw(t, m) for kind, t, m in messages if kind == "RawMouseEvent"]
    if raw:
        return states + raw
    plain = [(t, m) for kind, t, m in messages if kind == "MouseEvent"]
    clicks = [_click(t, m) for t, m in plain if m["event_type"] == "click"]
    moves = [
        Event(time=t, axes={"look_x": m["x"] - before["x"], "look_y": m["y"] - before["y"]})
        for (_, before), (t, m) in pairwise(plain)
    ]
    return states + clicks + moves


def _click(time: float, content: dict[str, Any]) -> Event:
    code = NAMES.get(content["button"])
    return Event(time=time, **{"down" if content["pressed"] else "up": (code,) if code else ()})


def _raw(time: float, content: dict[str, Any]) -> Event:
    """Windows' RAWMOUSE: two bits a button, down and up, and counts."""
    flags = int(content.get("button_flags") or 0)
    moved = {"look_x": int(content["last_x"]), "look_y": int(content["last_y"])}
    relative = not int(content.get("us_flags") or 0) & ABSOLUTE
    return Event(
        time=time,
        down=tuple(name for bit, name in enumerate(MOUSE) if flags >> 2 * bit & 1),
        up=tuple(name for bit, name in enumerate(MOUSE) if flags >> 2 * bit & 2),
        axes=moved if relative and any(moved.values()) else {},
    )

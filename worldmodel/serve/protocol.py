"""The wire protocol between page and server, version 1.

Client to server, JSON text under 2 KB, `t` names the kind:
    hello{v, token}            first, within ten seconds; a token whose world still lives resumes it
    in{seq, keys}              the whole held set in the order pressed, at every change
    mouse{dx, dy}              movement since the last one, in CSS pixels
    ack{f}                     the frame with serial f, and all before it, has been drawn or dropped
    ping{at, rtt}              the page's clock, and the least round trip it knows; milliseconds
    start{world, scene, seed}  enter a scene (each part optional: null keeps what is)
    pause{on}  step  reset  rewind  settings{steps, guidance}  record{on}  bye

Server to client, JSON text: ready, queue, state, pong, error; and binary frames:
a header of 28 bytes (`HEADER`) and a JPEG.
"""

import json
import math
import struct
from dataclasses import dataclass
from typing import Any

from worldmodel.errors import UserError

VERSION = 1
HEADER = struct.Struct("<2sBBHHIIIIHH")
MAGIC = b"WM"
FORMAT_JPEG = 1

FLAG_FIRST = 1  # the first frame of a scene, or one brought back: no step produced it
FLAG_PAUSED = 2
FLAG_RECORDED = 4

MAX_KEYS = 16
MAX_SEED = 2**32 - 1

CLOSE_NONSENSE = 4400
CLOSE_TOKEN = 4401
CLOSE_ORIGIN = 4403
CLOSE_TIME = 4408
CLOSE_ELSEWHERE = 4409
CLOSE_LARGE = 4413
CLOSE_VERSION = 4426
CLOSE_RATE = 4429
CLOSE_FAILED = 4500
CLOSE_FULL = 4503


class ProtocolError(UserError):
    """A message that the protocol does not allow; `code` is the WebSocket close code."""

    def __init__(self, sentence: str, code: int = CLOSE_NONSENSE) -> None:
        super().__init__(sentence)
        self.code = code


@dataclass(frozen=True, kw_only=True)
class FrameHeader:
    """What a binary frame says about itself.

    serial: counts frames sent to this player, acknowledged by `ack`; frame: the world's own
    frame index; seq: the last input the frame has consumed; model_us: the step's time in
    microseconds; buttons: bit i is set where the model was told of button i (the first 16).
    """

    width: int
    height: int
    serial: int
    frame: int
    seq: int
    model_us: int
    flags: int
    buttons: int


def pack_frame(header: FrameHeader, jpeg: bytes) -> bytes:
    """The binary message of one frame."""
    return (
        HEADER.pack(
            MAGIC,
            VERSION,
            FORMAT_JPEG,
            header.width,
            header.height,
            header.serial & 0xFFFFFFFF,
            header.frame & 0xFFFFFFFF,
            header.seq & 0xFFFFFFFF,
            min(header.model_us, 0xFFFFFFFF),
            header.flags,
            header.buttons,
        )
        + jpeg
    )


def unpack_frame(message: bytes) -> tuple[FrameHeader, bytes]:
    """Header and JPEG of a binary message; ProtocolError for anything else."""
    if len(message) < HEADER.size or message[:2] != MAGIC:
        raise ProtocolError("Expected a frame that begins with WM, found something else.")
    _, version, form, *rest = HEADER.unpack_from(message)
    if (version, form) != (VERSION, FORMAT_JPEG):
        raise ProtocolError(f"Expected a frame of version {VERSION}, found {version}.")
    names = ("width", "height", "serial", "frame", "seq", "model_us", "flags", "buttons")
    return FrameHeader(**dict(zip(names, rest, strict=True))), message[HEADER.size :]


def parse(text: str, limit: int) -> dict[str, Any]:
    """A client's message as a dictionary whose fields have been checked.

    Raises ProtocolError with one sentence for a message over `limit` bytes, one that is not
    a JSON object, of an unknown kind, or with a field of the wrong sort.
    """
    if len(text.encode()) > limit:
        raise ProtocolError(f"A message may have at most {limit} bytes.", CLOSE_LARGE)
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        raise ProtocolError("A message must be JSON.") from None
    kind = message.get("t") if isinstance(message, dict) else None
    if not isinstance(kind, str) or kind not in _FIELDS:
        raise ProtocolError(f"A message must name its kind in t: {', '.join(_FIELDS)}.")
    checked = {"t": kind}
    for name, check in _FIELDS[kind].items():
        value = message.get(name)
        if not check(value):
            raise ProtocolError(f"The field {name} of a message {kind} is missing or out of range.")
        checked[name] = value
    return checked


def _whole(low: int, high: int):
    return lambda v: isinstance(v, int) and not isinstance(v, bool) and low <= v <= high


def _number(low: float, high: float):
    return lambda v: (
        isinstance(v, int | float)
        and not isinstance(v, bool)
        and math.isfinite(v)
        and low <= v <= high
    )


def _text(length: int):
    return lambda v: isinstance(v, str) and len(v) <= length


def _optional(check):
    return lambda v: v is None or check(v)


def _keys(value) -> bool:
    return isinstance(value, list) and len(value) <= MAX_KEYS and all(map(_text(32), value))


def _switch(value) -> bool:
    return isinstance(value, bool)


_ANY_COUNT = _whole(0, 2**32 - 1)
_FIELDS: dict[str, dict[str, Any]] = {
    "hello": {"v": _whole(0, 2**16), "token": _text(256)},
    "in": {"seq": _ANY_COUNT, "keys": _keys},
    "mouse": {"dx": _number(-1e4, 1e4), "dy": _number(-1e4, 1e4)},
    "ack": {"f": _ANY_COUNT},
    "ping": {"at": _number(0, 1e15), "rtt": _optional(_number(0, 1e6))},
    "start": {
        "world": _optional(_text(64)),
        "scene": _optional(_text(64)),
        "seed": _optional(_whole(0, MAX_SEED)),
    },
    "pause": {"on": _switch},
    "step": {},
    "reset": {},
    "rewind": {},
    "settings": {"steps": _optional(_whole(1, 16)), "guidance": _optional(_number(0, 10))},
    "record": {"on": _switch},
    "bye": {},
}

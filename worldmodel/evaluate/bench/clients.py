"""Players without a browser: they press keys, acknowledge frames and note when what came."""

import asyncio
import json
import time
from dataclasses import dataclass, field

from websockets.asyncio.client import ClientConnection, connect

from worldmodel.serve.protocol import VERSION, unpack_frame

KEYS = ("KeyW", "ArrowLeft", "KeyS", "ArrowRight")
PRESS_EVERY = 0.3  # seconds between two changes of what is held


@dataclass
class Seen:
    """What one player noted. Times are seconds of one monotonic clock."""

    arrivals: list[float] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)  # from a key to the frame that knows it
    model: list[float] = field(default_factory=list)  # what the server says a step took
    sizes: list[int] = field(default_factory=list)  # bytes of a frame's message
    pressed: dict[int, float] = field(default_factory=dict)


def watch(address: str, tokens: list[str], warm: float, seconds: float) -> list[dict[str, list]]:
    """Play with a player for each token for `seconds`, after `warm` that do not count."""
    return asyncio.run(_watch(address, tokens, warm, seconds))


async def _watch(
    address: str, tokens: list[str], warm: float, seconds: float
) -> list[dict[str, list]]:
    players = [Seen() for _ in tokens]
    ready = asyncio.Barrier(len(tokens))
    await asyncio.gather(
        *(
            _play(address, token, seen, ready, warm, seconds)
            for token, seen in zip(tokens, players, strict=True)
        )
    )
    names = ("arrivals", "latencies", "model", "sizes")
    return [{name: vars(seen)[name] for name in names} for seen in players]


async def _play(
    address: str, token: str, seen: Seen, ready: asyncio.Barrier, warm: float, seconds: float
) -> None:
    async with connect(f"ws://{address}/play/socket", compression=None) as socket:
        await socket.send(json.dumps({"t": "hello", "v": VERSION, "token": token}))
        await _read_until_playing(socket)
        await ready.wait()
        begin = time.monotonic() + warm
        end = begin + seconds
        presses = asyncio.create_task(_press(socket, seen, end))
        while (now := time.monotonic()) < end:
            message = await _next(socket, end - now)
            if isinstance(message, bytes):
                await _note(socket, message, seen, counts=time.monotonic() >= begin)
        await presses


async def _next(socket: ClientConnection, patience: float) -> str | bytes | None:
    """The next message, or None when none comes in time."""
    try:
        async with asyncio.timeout(patience):
            return await socket.recv()
    except TimeoutError:
        return None


async def _read_until_playing(socket: ClientConnection) -> None:
    """Read until the first frame, while the world loads; RuntimeError when turned away."""
    while isinstance(message := await socket.recv(), str):
        told = json.loads(message)
        if told["t"] == "error":
            raise RuntimeError(told["say"])
    await socket.send(json.dumps({"t": "ack", "f": unpack_frame(message)[0].serial}))


async def _press(socket: ClientConnection, seen: Seen, end: float) -> None:
    number = 0
    while time.monotonic() + PRESS_EVERY < end:
        number += 1
        seen.pressed[number] = time.monotonic()
        keys = [KEYS[number % len(KEYS)]]
        await socket.send(json.dumps({"t": "in", "seq": number, "keys": keys}))
        await asyncio.sleep(PRESS_EVERY)


async def _note(socket: ClientConnection, message: bytes, seen: Seen, *, counts: bool) -> None:
    header, _ = unpack_frame(message)
    now = time.monotonic()
    await socket.send(json.dumps({"t": "ack", "f": header.serial}))
    known = [number for number in seen.pressed if number <= header.seq]
    waited = [now - seen.pressed.pop(number) for number in known]
    if counts:
        seen.arrivals.append(now)
        seen.model.append(header.model_us / 1e6)
        seen.sizes.append(len(message))
        seen.latencies += waited

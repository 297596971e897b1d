"""One WebSocket: checked messages in, ordered messages out, and how it ends."""

import asyncio
import contextlib
import json
import time
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from worldmodel.serve.limits import Limits
from worldmodel.serve.protocol import CLOSE_RATE, ProtocolError, parse

LEFT_ON_PURPOSE = (1000, 1001)  # RFC 6455: done, or going away
OUTBOX = 256


class Gone(Exception):
    """The other side is no longer there; `polite` when it said so."""

    def __init__(self, polite: bool) -> None:
        super().__init__("the player is gone")
        self.polite = polite


class Connection:
    """Reads in the caller's task and writes in its own, so that neither waits for the other."""

    def __init__(self, socket: WebSocket, limits: Limits) -> None:
        self._socket = socket
        self._limits = limits
        self._outbox: asyncio.Queue[Any] = asyncio.Queue()
        self._writer: asyncio.Task | None = None
        self._allowance = limits.messages_per_second
        self._refilled = time.monotonic()

    async def open(self) -> None:
        """Accept the socket and begin writing."""
        await self._socket.accept()
        self._writer = asyncio.create_task(self._write())

    def send(self, message: dict | bytes) -> None:
        """Queue a JSON message or a binary frame; what goes to someone gone is lost."""
        if self._outbox.qsize() < OUTBOX:
            self._outbox.put_nowait(message)

    async def receive(self, patience: float) -> dict[str, Any]:
        """The next checked message; Gone, or ProtocolError for one that is not allowed."""
        try:
            async with asyncio.timeout(patience):
                event = await self._socket.receive()
        except TimeoutError:
            raise Gone(polite=False) from None
        if event["type"] == "websocket.disconnect":
            raise Gone(polite=event.get("code") in LEFT_ON_PURPOSE)
        self._count()
        if event.get("text") is None:
            raise ProtocolError("Messages must be JSON text; this one was binary.")
        return parse(event["text"], self._limits.message_bytes)

    async def close(self, code: int, sentence: str) -> None:
        """Say why in an error message, then close with `code`."""
        self.send({"t": "error", "code": code, "say": sentence, "fatal": True})
        self._outbox.put_nowait((code, sentence))
        if self._writer:
            await asyncio.wait([self._writer], timeout=2)
            self._writer.cancel()

    def drop(self) -> None:
        """Stop writing; the socket is gone."""
        if self._writer:
            self._writer.cancel()

    async def _write(self) -> None:
        with contextlib.suppress(WebSocketDisconnect, RuntimeError, OSError):
            while True:
                message = await self._outbox.get()
                if isinstance(message, bytes):
                    await self._socket.send_bytes(message)
                elif isinstance(message, dict):
                    await self._socket.send_text(json.dumps(message))
                else:
                    code, sentence = message
                    await self._socket.close(
                        code, sentence.encode()[:120].decode("utf-8", "ignore")
                    )
                    return

    def _count(self) -> None:
        rate, now = self._limits.messages_per_second, time.monotonic()
        self._allowance = min(rate, self._allowance + rate * (now - self._refilled)) - 1
        self._refilled = now
        if self._allowance < 0:
            raise ProtocolError(
                f"More than {rate:.0f} messages came in a second; reload the page.", CLOSE_RATE
            )

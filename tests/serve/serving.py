"""A server of stub worlds on a real port, without Gradio, and a player that speaks the protocol."""

import contextlib
import io
import json
import socket
import struct
import threading
import time
from pathlib import Path

import numpy as np
import uvicorn
from PIL import Image
from starlette.applications import Starlette
from stub_engine import StubBackend
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from worldmodel.serve.protocol import VERSION, FrameHeader, unpack_frame
from worldmodel.serve.server import PlayServer

PATIENCE = 10.0


def make_world(root: Path, name: str, config: str = "{}") -> Path:
    """A folder that looks like a checkpoint."""
    (root / name).mkdir(parents=True)
    (root / name / "config.json").write_text(config)
    return root / name


def eventually(condition, patience: float = PATIENCE):
    """The first true value of `condition()`, waited for; AssertionError without one."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.005)
    raise AssertionError("what was waited for did not happen")


class Served:
    """A running server with its address."""

    def __init__(self, server: PlayServer, backend: StubBackend) -> None:
        self.server, self.backend = server, backend
        config = uvicorn.Config(
            Starlette(routes=server.routes), port=0, log_level="error", lifespan="off"
        )
        self.uvicorn = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.uvicorn.run, daemon=True)
        self.thread.start()
        eventually(lambda: self.uvicorn.started)
        self.players = contextlib.ExitStack()
        self.port = self.uvicorn.servers[0].sockets[0].getsockname()[1]

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def player(self, token: str | None = None, **options) -> "Player":
        """A player who has said hello."""
        player = Player(self, token or self.server.mint.mint(), **options)
        with contextlib.suppress(ConnectionClosed):  # turned away before
            player.send(t="hello", v=VERSION, token=player.token)
        return player

    def close(self) -> None:
        self.players.close()
        self.uvicorn.should_exit = True
        self.thread.join(timeout=5)
        self.server.close()


class Player:
    """A socket that remembers the last state and acknowledges frames when told to."""

    def __init__(self, served: Served, token: str, origin: str | None = None) -> None:
        self.token = token
        address = f"ws://{served.address}/play/socket"
        opening = connect(address, origin=origin, compression=None)
        self.socket: ClientConnection = served.players.enter_context(opening)
        self.messages: list[dict] = []

    def send(self, **message) -> None:
        self.socket.send(json.dumps(message))

    def receive(self, patience: float = PATIENCE) -> dict | tuple[FrameHeader, bytes]:
        message = self.socket.recv(timeout=patience)
        if isinstance(message, bytes):
            return unpack_frame(message)
        self.messages.append(json.loads(message))
        return self.messages[-1]

    def until(self, kind: str, **fields) -> dict:
        """The next JSON message of this kind with these fields; frames are acknowledged."""
        while True:
            message = self.receive()
            if isinstance(message, tuple):
                self.send(t="ack", f=message[0].serial)
            elif message["t"] == kind and fields.items() <= message.items():
                return message

    def frame(self, ack: bool = True) -> tuple[FrameHeader, bytes]:
        """The next frame."""
        while True:
            message = self.receive()
            if isinstance(message, tuple):
                if ack:
                    self.send(t="ack", f=message[0].serial)
                return message

    def frame_where(self, condition) -> tuple[FrameHeader, bytes]:
        """The next frame whose header is as wanted."""
        while True:
            header, picture = self.frame()
            if condition(header):
                return header, picture

    def vanish(self) -> None:
        """Be gone without a word, as after a cut cable."""
        self.socket.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.socket.shutdown(socket.SHUT_RDWR)


def picture(jpeg: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB"))


def farewell(player) -> tuple[dict, int]:
    """The error message that ended a socket, and its close code."""
    try:
        while True:
            player.receive()
    except ConnectionClosed as closed:
        return player.messages[-1], closed.rcvd.code


def sessions(served) -> list:
    return list(served.server.sessions.values())

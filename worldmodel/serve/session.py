"""One player from hello to goodbye: queue, loading, play, and coming back after a drop."""

import asyncio
import contextlib
import logging
import secrets
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from worldmodel.errors import UserError
from worldmodel.serve import describe, pacing
from worldmodel.serve.commands import COMMANDS
from worldmodel.serve.connection import Connection, Gone
from worldmodel.serve.limits import Limits
from worldmodel.serve.lobby import Lobby
from worldmodel.serve.loop import EngineLoop
from worldmodel.serve.pictures import SHARP_UP_TO, jpeg
from worldmodel.serve.play import Play, Shown
from worldmodel.serve.protocol import (
    CLOSE_ELSEWHERE,
    CLOSE_FAILED,
    CLOSE_TIME,
    FLAG_FIRST,
    FLAG_PAUSED,
    ProtocolError,
    pack_frame,
)
from worldmodel.serve.shelf import Shelf
from worldmodel.serve.worlds import Library, World

log = logging.getLogger(__name__)
LOOK_AGAIN = 0.3  # seconds between two looks at a world that loads
CHECK_TIMES = 1.0


@dataclass(frozen=True, kw_only=True)
class Services:
    """What all sessions share."""

    limits: Limits
    lobby: Lobby
    library: Library
    loop: EngineLoop
    worker: Executor  # one thread that writes recordings
    folder: Path  # where recordings lie until they are fetched


class Session:
    """A player's standing, world and socket. Lives in the event loop; `closed` is called once."""

    def __init__(self, services: Services, closed: Callable[[], None]) -> None:
        self.services = services
        self.play: Play | None = None
        self.pace = pacing.Pace(fps=1.0)
        self._closed = closed
        self._ticket = services.lobby.arrive()
        folder, keep = services.folder / secrets.token_hex(8), services.limits.recordings_kept
        self.shelf = Shelf(folder, services.worker, keep, self.announce, self.complain)
        self._connection: Connection | None = None
        self._loading: World | None = None
        self._todo: deque[dict[str, Any]] = deque()
        self._wake = asyncio.Event()
        self._grace: asyncio.TimerHandle | None = None
        self._serial = 0
        self._began = self._active = time.monotonic()
        self._remembered = 0
        self._cards: list[dict] | None = None  # the scenes that the page shows
        self._life = asyncio.create_task(self._live())

    # ---- the socket

    async def serve(self, connection: Connection) -> None:
        """Read one socket until it ends; ProtocolError when the player broke the protocol."""
        former, self._connection = self._connection, connection
        if former:
            await former.close(CLOSE_ELSEWHERE, "This world went on in another tab or window.")
        self._attach()
        try:
            while True:
                self._receive(await connection.receive(self.services.limits.silent_seconds))
        except Gone as gone:
            connection.drop()
            self._detach(connection, gone.polite)
        except ProtocolError:
            self._detach(connection, polite=True)
            raise

    def say(self, message: dict[str, Any]) -> None:
        """Send JSON to the player, if he is there."""
        if self._connection:
            self._connection.send(message)

    def complain(self, error: Exception) -> None:
        """Show one sentence; play goes on."""
        self.say({"t": "error", "code": 0, "say": str(error), "fatal": False})

    def announce(self) -> None:
        """Tell the player the state of things."""
        if self._ticket.position:
            place, queued = self._ticket.position, self.services.lobby.queued
            self.say({"t": "queue", "position": place, "waiting": queued})
        elif self._loading:
            self.say(describe.loading(self._loading))
        elif self.play:
            self.say(describe.playing(self.play, self.pace.paused, self.shelf))

    def end(self) -> None:
        """Leave: give the place back and forget the world."""
        self._life.cancel()

    def _attach(self) -> None:
        if self._grace:
            self._grace.cancel()
        self._grace = None
        self._active = time.monotonic()
        self.pace = pacing.reconnected(self.pace)
        if self.play and not self._loading:
            self.play.inputs.restart()
            self.introduce()
            if self.play.shown:
                self.show_again()
        self.announce()
        self._wake.set()

    def _detach(self, connection: Connection, polite: bool) -> None:
        if connection is not self._connection:
            return
        self._connection = None
        if self.play:
            self.play.inputs.release()
        seconds = 0.0 if polite else self.services.limits.grace_seconds
        self._grace = asyncio.get_running_loop().call_later(seconds, self.end)

    def _receive(self, message: dict[str, Any]) -> None:
        now, kind = time.monotonic(), message["t"]
        if kind == "ack":
            self.pace = pacing.acked(self.pace, message["f"], now)
        elif kind == "ping":
            self.say({"t": "pong", "at": message["at"]})
            return
        elif kind == "bye":
            raise Gone(polite=True)
        else:
            self._active = now
            self._input(message)
        self._wake.set()

    def _input(self, message: dict[str, Any]) -> None:
        if message["t"] in COMMANDS:
            self._todo.append(message)
        elif self.play and message["t"] == "in":
            self.play.inputs.hold(message["seq"], message["keys"])
        elif self.play and message["t"] == "mouse":
            self.play.inputs.move(message["dx"], message["dy"])

    def command(self, message: dict[str, Any]) -> None:
        """Ask for one of COMMANDS before the next frame."""
        self._todo.append(message)
        self._wake.set()

    # ---- the life

    async def _live(self) -> None:
        try:
            await self._ticket.seated(self.announce)
            await self.enter(self.services.library.first)
            self._todo.appendleft({"t": "start", "world": None, "scene": None, "seed": None})
            while True:
                await self._turn()
        except UserError as error:
            await self._expel(getattr(error, "code", CLOSE_FAILED), str(error))
        except Exception:
            log.exception("a session failed")
            await self._expel(CLOSE_FAILED, "The world failed on the server; reload the page.")
        finally:
            self._clean()

    async def enter(self, world: World) -> None:
        """Load `world` if need be and take a fork of its engine."""
        self._loading = world
        try:
            engine = asyncio.wrap_future(self.services.library.load(world))
            while not engine.done():
                self.announce()
                await asyncio.wait([engine], timeout=LOOK_AGAIN)
            fork = await self.services.loop.run(engine.result().fork)
        finally:
            self._loading = None
        self.play = Play(world, fork, self.services.loop)
        self.pace = pacing.Pace(fps=fork.fps, paused=self.pace.paused)
        self.introduce()

    async def _take_up_newer(self) -> None:
        """Go on in a newer version of the world, where the player stands, if there is one."""
        play, world = self.play, self.play.world
        if play.version == world.version:
            return
        try:
            await play.take_up(world.engine.result(), world.version)
        except UserError as error:
            self.complain(error)
            await self.enter(world)
            self._todo.appendleft({"t": "start", "world": None, "scene": None, "seed": None})
            return
        if self._cards != world.cards:
            self.introduce()
        self.announce()

    async def _turn(self) -> None:
        self._check_times()
        await self._take_up_newer()
        while self._todo:
            await self._obey(self._todo.popleft())
        decision = pacing.decide(self.pace, time.monotonic())
        if self._connection and decision.step:
            await self._frame()
            return
        wait = CHECK_TIMES if decision.seconds is None else min(decision.seconds, CHECK_TIMES)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait if self._connection else CHECK_TIMES):
                await self._wake.wait()
        self._wake.clear()

    async def _obey(self, message: dict[str, Any]) -> None:
        try:
            await COMMANDS[message["t"]](self, message)
        except ProtocolError:
            raise
        except UserError as error:
            self.complain(error)
        self.announce()

    async def _frame(self) -> None:
        self.pace = pacing.stepped(self.pace, time.monotonic())
        await self.show(await self.play.step())
        limits, fps = self.services.limits, self.play.engine.fps
        self._remembered += 1
        if limits.rewind_snapshots and self._remembered >= limits.rewind_seconds * fps:
            self._remembered = 0
            could = self.play.can_rewind
            await self.play.remember(limits.rewind_snapshots)
            if not could:
                self.announce()
        recorder = self.play.recorder
        if recorder and recorder.frames >= limits.recording_seconds * fps:
            self.shelf.finish(self.play)
            self.announce()

    async def show(self, shown: Shown) -> None:
        """Encode a frame and send it."""
        large = max(shown.frame.shape) > SHARP_UP_TO
        picture = await asyncio.to_thread(jpeg, shown.frame) if large else jpeg(shown.frame)
        self._send_frame(shown, picture)

    def show_again(self) -> None:
        """Send the frame on the screen once more, as the first of a new socket."""
        self._send_frame(self.play.shown, jpeg(self.play.shown.frame), FLAG_FIRST)

    def _send_frame(self, shown: Shown, picture: bytes, flags: int = 0) -> None:
        if self._connection:
            self._serial += 1
            flags |= FLAG_PAUSED if self.pace.paused else 0
            header = describe.header(self.play, shown, self._serial, flags)
            self.pace = pacing.sent(self.pace, self._serial, time.monotonic())
            self._connection.send(pack_frame(header, picture))

    def introduce(self) -> None:
        """Tell the player which world he is in."""
        self._cards = self.play.world.cards
        self.say(describe.ready(self.play, self.services.library, self.services.limits))

    # ---- the end

    def _check_times(self) -> None:
        now, limits = time.monotonic(), self.services.limits
        if now - self._active > limits.idle_seconds:
            raise ProtocolError("Nobody has played here for a while, so it stopped.", CLOSE_TIME)
        if now - self._began > limits.total_seconds:
            raise ProtocolError("The time for one visit is over; start another.", CLOSE_TIME)

    async def _expel(self, code: int, sentence: str) -> None:
        if self._connection:
            await self._connection.close(code, sentence)

    def _clean(self) -> None:
        if self._grace:
            self._grace.cancel()
        self.services.lobby.leave(self._ticket)
        self.shelf.clear(self.play)
        self._closed()

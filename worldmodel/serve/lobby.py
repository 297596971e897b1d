"""Places to play and the queue for them: first come, first served."""

import asyncio
from collections.abc import Callable

from worldmodel.serve.protocol import CLOSE_FULL, ProtocolError


class Ticket:
    """One person's standing: `position` is 0 with a place, else 1 for the next in line."""

    def __init__(self, position: int) -> None:
        self.position = position
        self._changed = asyncio.Event()

    def move(self, position: int) -> None:
        """The lobby says where the holder stands now."""
        if position != self.position:
            self.position = position
            self._changed.set()

    async def seated(self, tell: Callable[[], object]) -> None:
        """Return once there is a place; `tell` is called at every change of position before."""
        while self.position:
            tell()
            await self._changed.wait()
            self._changed.clear()


class Lobby:
    """Hands out places. Not thread-safe: it lives in the server's event loop."""

    def __init__(self, places: int, waiting: int) -> None:
        self._places = places
        self._waiting = waiting
        self._seated: set[Ticket] = set()
        self._queue: list[Ticket] = []

    @property
    def players(self) -> int:
        """How many have a place."""
        return len(self._seated)

    @property
    def queued(self) -> int:
        """How many wait."""
        return len(self._queue)

    def arrive(self) -> Ticket:
        """A ticket for a newcomer; ProtocolError when even the queue is full."""
        if len(self._seated) < self._places:
            ticket = Ticket(0)
            self._seated.add(ticket)
            return ticket
        if len(self._queue) >= self._waiting:
            raise ProtocolError("Too many people are waiting already; try later.", CLOSE_FULL)
        self._queue.append(Ticket(len(self._queue) + 1))
        return self._queue[-1]

    def leave(self, ticket: Ticket) -> None:
        """Give the place or the standing back; everyone behind moves up."""
        self._seated.discard(ticket)
        if ticket in self._queue:
            self._queue.remove(ticket)
        while self._queue and len(self._seated) < self._places:
            following = self._queue.pop(0)
            self._seated.add(following)
            following.move(0)
        for place, waiting in enumerate(self._queue, start=1):
            waiting.move(place)

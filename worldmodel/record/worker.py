"""A thread that does what is too slow for the loop that must be on time, in order."""

import threading
from collections.abc import Callable
from queue import Empty, Full, Queue
from typing import Self


class Worker:
    """Does one piece of work after the other. `error` is what went wrong; then it does no more."""

    def __init__(self, waiting: int = 32) -> None:
        self.error: Exception | None = None
        self._queue: Queue[Callable[[], None] | None] = Queue(waiting)
        self._thread = threading.Thread(target=self._work, name="writer", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Pieces of work that have not begun."""
        return self._queue.qsize()

    def offer(self, work: Callable[[], None]) -> bool:
        """Have it done unless too much is waiting; returns whether it will be."""
        try:
            self._queue.put_nowait(work)
        except Full:
            return False
        return True

    def put(self, work: Callable[[], None]) -> None:
        """Have it done, after waiting for room."""
        self._queue.put(work)

    def close(self) -> None:
        """Do what is waiting and end the thread."""
        self._queue.put(None)
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _work(self) -> None:
        while (work := self._queue.get()) is not None:
            if self.error is not None:
                continue  # nobody shall wait for room
            try:
                work()
            except Exception as error:  # whatever it is, the loop raises it
                self.error = error
        self._drain()

    def _drain(self) -> None:
        try:
            while True:
                self._queue.get_nowait()
        except Empty:
            return

"""Stopping politely: the first Ctrl+C or SIGTERM lets a run save before it ends."""

import contextlib
import signal
from collections.abc import Iterator


class StopFlag:
    is_set = False


@contextlib.contextmanager
def stop_requests() -> Iterator[StopFlag]:
    """Turns the first SIGINT or SIGTERM into a flag; the second does what it always does."""
    flag = StopFlag()
    handlers = {}

    def request(number: int, frame: object) -> None:
        flag.is_set = True
        signal.signal(number, handlers[number])

    for number in (signal.SIGINT, signal.SIGTERM):
        handlers[number] = signal.signal(number, request)
    try:
        yield flag
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)

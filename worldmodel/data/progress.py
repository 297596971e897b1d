"""A line on the terminal that says how far a job is, how fast it goes and what is left."""

import sys
import time
from typing import TextIO


class Progress:
    """Counts units of work and reports at most once every `every` seconds."""

    def __init__(
        self, title: str, total: int, unit: str, every: float = 5.0, out: TextIO | None = None
    ) -> None:
        self.title, self.total, self.unit, self.every = title, total, unit, every
        self._out = out or sys.stderr
        self._found = self._fresh = 0
        self._begin = self._said = time.monotonic()

    def skip(self, count: int) -> None:
        """Count work that was found done; it does not count for the speed."""
        self._found = max(count, 0)

    def advance(self, count: int) -> None:
        """Count work just done."""
        self._fresh += count
        now = time.monotonic()
        if now - self._said >= self.every:
            self._said = now
            self._say(now)

    def finish(self) -> None:
        """Report the end."""
        self._say(time.monotonic())

    def _say(self, now: float) -> None:
        rate = self._fresh / max(now - self._begin, 1e-6)
        done = self._found + self._fresh
        left = clock(max(self.total - done, 0) / rate) if rate else "nothing"
        print(
            f"{self.title}: {done:,} of {self.total:,} {self.unit}, "
            f"{rate:,.0f} {self.unit}/s, {left} left",
            file=self._out,
            flush=True,
        )


def clock(seconds: float) -> str:
    """Write seconds as h:mm:ss."""
    minutes, second = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{second:02d}"

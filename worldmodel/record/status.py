"""The line that tells what the recorder sees, and how well it keeps up."""

import shutil
import sys
from dataclasses import dataclass
from typing import TextIO

from worldmodel.record.keys import shown
from worldmodel.record.log import Held


@dataclass(frozen=True, kw_only=True)
class Status:
    """What there is to say; `source` and `size` are (width, height) and (height, width)."""

    state: str
    source: tuple[int, int]
    size: tuple[int, int]
    rate: float
    fps: float
    frames: int
    dropped: int
    episode: str
    held: Held
    notice: str = ""

    def line(self) -> str:
        """Everything in one line."""
        mouse = f"  mouse {self.held.dx:+.0f} {self.held.dy:+.0f}" if self._moves else ""
        return (
            f"{self.state:5} {self.source[0]}x{self.source[1]} as {self.size[1]}x{self.size[0]}"
            f"  {self.rate:.1f} of {self.fps:g} frames/s  {self.frames} frames"
            f"  {self.dropped} dropped  {self.episode or '-'}  keys {shown(self.held.keys)}{mouse}"
            + (f"  {self.notice}" if self.notice else "")
        )

    @property
    def _moves(self) -> bool:
        return bool(self.held.dx or self.held.dy)


class StatusLine:
    """Shows a Status: on a terminal four times a second in one place, else every ten seconds."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stderr
        self._terminal = self._out.isatty()
        self._every = 0.25 if self._terminal else 10.0
        self._said: float | None = None
        self._state = ""

    def show(self, status: Status, now: float) -> None:
        """Show it if it is time, or if the state is another one."""
        due = self._said is None or now - self._said >= self._every
        if not due and status.state == self._state:
            return
        self._said, self._state = now, status.state
        if self._terminal:
            line = status.line()[: shutil.get_terminal_size().columns - 1]
            print(f"{line}\x1b[K", end="\r", file=self._out, flush=True)
        else:
            print(status.line(), file=self._out, flush=True)

    def close(self) -> None:
        """Leave the last line standing."""
        if self._terminal and self._said is not None:
            print(file=self._out, flush=True)

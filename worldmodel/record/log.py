"""What was held between two moments: events with their times in, one answer a frame out."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

SETTLED = 0.05  # seconds after a press from which a keyboard that says "up" is believed


@dataclass(frozen=True, kw_only=True)
class Held:
    """Keys in the order they were pressed, and how far the mouse moved, in pixels."""

    keys: tuple[str, ...] = ()
    dx: float = 0.0
    dy: float = 0.0

    @property
    def idle(self) -> bool:
        """Whether nothing was touched."""
        return not (self.keys or self.dx or self.dy)

    def then(self, later: "Held") -> "Held":
        """What was held during this stretch of time and the one after it."""
        before = tuple(key for key in self.keys if key not in later.keys)
        return Held(keys=before + later.keys, dx=self.dx + later.dx, dy=self.dy + later.dy)


class _Event(NamedTuple):
    at: float
    code: str | None  # None when the mouse moved
    down: bool
    dx: float
    dy: float


class InputLog:
    """Collects events from other threads; `take` answers for the time since it was last asked.

    A key belongs to a stretch of time when it was down at any moment of it, so a tap that is
    shorter than a frame is in exactly one or two frames, and no frame shows the effect of a key
    that its action does not have. Auto-repeat changes nothing. Times are seconds of one clock.
    """

    def __init__(self) -> None:
        self._events: deque[_Event] = deque()
        self._down: dict[str, float] = {}  # key -> when it was pressed

    def press(self, code: str, at: float) -> None:
        """A key went down, or repeated itself."""
        self._events.append(_Event(at, code, True, 0.0, 0.0))

    def release(self, code: str, at: float) -> None:
        """A key went up."""
        self._events.append(_Event(at, code, False, 0.0, 0.0))

    def move(self, dx: float, dy: float, at: float) -> None:
        """The mouse moved by so many pixels, right and down."""
        self._events.append(_Event(at, None, False, dx, dy))

    def take(self, until: float) -> Held:
        """What was held at any moment from the last call's `until` to this one's."""
        seen, dx, dy = dict.fromkeys(self._down), 0.0, 0.0
        while self._events and self._events[0].at <= until:
            event = self._events.popleft()
            dx, dy = dx + event.dx, dy + event.dy
            if event.code is None:
                continue
            if event.down and event.code not in self._down:
                seen.pop(event.code, None)  # pressed again: now it is the newest
                seen[event.code] = None
                self._down[event.code] = event.at
            if not event.down:
                self._down.pop(event.code, None)
        return Held(keys=tuple(seen), dx=dx, dy=dy)

    def confirm(self, is_down: Callable[[str], bool], now: float) -> None:
        """Let go of keys whose release was never reported: the keyboard says they are up."""
        reported = {event.code for event in list(self._events)}
        for code, pressed in list(self._down.items()):
            if code not in reported and now - pressed > SETTLED and not is_down(code):
                del self._down[code]

    def clear(self) -> None:
        """Nothing is held and nothing was: the window lost the keyboard."""
        self._events.clear()
        self._down.clear()

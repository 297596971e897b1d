"""Key events and frames on one clock, merged: which keys brought each frame about."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from worldmodel.data.importers.keys import MOUSE
from worldmodel.data.importers.record import Picture, Record


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that was done at a time in seconds: keys that went down or up, a snapshot of the
    keys held (which repairs what events missed; `device` says of which device, "mouse" or
    "keyboard", "" of both), or the mouse's counts."""

    time: float
    down: tuple[str, ...] = ()
    up: tuple[str, ...] = ()
    held: frozenset[str] | None = None
    device: str = ""
    axes: Mapping[str, float] = field(default_factory=dict)


class Held:
    """The keys held, in the order of their presses, and what happened since the last frame."""

    def __init__(self) -> None:
        self._order: dict[str, None] = {}
        self._held: set[str] = set()
        self._taps: set[str] = set()
        self._moved: Counter[str] = Counter()

    def take(self, event: Event) -> None:
        """Count an event; a key that is down already is not pressed again."""
        if event.held is not None:
            known = {key for key in self._held if event.device in ("", device_of(key))}
            self._change(down=event.held - known, up=known - event.held)
        self._change(down=event.down, up=event.up)
        for name, value in event.axes.items():
            self._moved[name] += value

    def _change(self, down: Iterable[str], up: Iterable[str]) -> None:
        for key in down:
            if key not in self._held:
                self._order.pop(key, None)
                self._order[key] = None
                self._held.add(key)
                self._taps.add(key)
        self._held.difference_update(up)

    def frame(self) -> tuple[tuple[str, ...], dict[str, float]]:
        """Return keys held now or tapped since the last call, and the mouse's counts since."""
        keys = tuple(key for key in self._order if key in self._held or key in self._taps)
        moved = dict(self._moved)
        self._order = {key: None for key in keys if key in self._held}
        self._taps, self._moved = set(), Counter()
        return keys, moved


def merge(frames: Iterable[tuple[float, Picture]], events: Iterable[Event]) -> Iterator[Record]:
    """Yield a Record a frame: an event belongs to the first frame that is not before it.

    Frames are (time, picture); both come in the order of their times.
    """
    held, pending = Held(), iter(events)
    event = next(pending, None)
    for time, picture in frames:
        while event is not None and event.time <= time:
            held.take(event)
            event = next(pending, None)
        keys, axes = held.frame()
        yield Record(picture=picture, time=time, keys=keys, axes=axes)


def on_clock(events: Iterable[Event], offset: float) -> list[Event]:
    """Return the events, `offset` seconds later, in the order of their times."""
    moved = [replace(event, time=event.time + offset) for event in events]
    return sorted(moved, key=lambda event: event.time)


def device_of(key: str) -> str:
    """Whether a key is one of the mouse's buttons."""
    return "mouse" if key in MOUSE else "keyboard"


def count_presses(events: Iterable[Event]) -> Counter[str]:
    """Count how often each key goes down and each axis moves; a key that is repeated while it is
    held counts once."""
    down: set[str] = set()
    counts: Counter[str] = Counter()
    for event in events:
        counts.update(axis for axis, value in event.axes.items() if value)
        fresh = set(event.down) - down
        counts.update(fresh)
        down = (down | fresh) - set(event.up)
    return counts

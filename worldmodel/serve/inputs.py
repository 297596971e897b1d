"""What a player holds down, as the model will read it."""

import threading
from dataclasses import dataclass

import numpy as np

from worldmodel.games.base import ControlSpace

MOUSE_SCALE = 0.01  # of an axis per CSS pixel


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One step's input: float32 [k], the keys behind it, and the last sequence number."""

    controls: np.ndarray
    keys: tuple[str, ...]
    seq: int


class Inputs:
    """Keys and mouse between two steps.

    The reader writes, the engine thread reads as late as it can. A key tapped between two
    steps counts as held for one step.
    """

    def __init__(self, space: ControlSpace) -> None:
        self._space = space
        self._lock = threading.Lock()
        self._held: tuple[str, ...] = ()
        self._order: list[str] = []  # what the next step reads, in the order pressed
        self._fresh: set[str] = set()  # pressed since the last step
        self._mouse = [0.0, 0.0]
        self._seq = 0

    def hold(self, seq: int, keys: list[str]) -> None:
        """The whole set of keys held from now on, in the order pressed."""
        with self._lock:
            pressed = [key for key in keys if key not in self._held]
            self._fresh.update(pressed)
            kept = [key for key in self._order if key in keys or key in self._fresh]
            self._order = [key for key in kept if key not in pressed] + pressed
            self._held = tuple(keys)
            self._seq = seq

    def move(self, dx: float, dy: float) -> None:
        """Mouse movement in CSS pixels, summed until it is read."""
        with self._lock:
            self._mouse[0] += dx
            self._mouse[1] += dy

    def release(self) -> None:
        """Let go of everything, taps included."""
        with self._lock:
            self._held, self._order, self._fresh, self._mouse = (), [], set(), [0.0, 0.0]

    def restart(self) -> None:
        """A new page counts its inputs from zero."""
        self.release()
        with self._lock:
            self._seq = 0

    def read(self) -> Reading:
        """This step's input; taps and mouse movement are used up by it."""
        with self._lock:
            keys, mouse, seq = tuple(self._order), tuple(self._mouse), self._seq
            self._order = [key for key in self._order if key in self._held]
            self._fresh = set()
            self._mouse = [0.0, 0.0]
        controls = self._space.from_keys(keys)
        known = tuple(key for key in keys if key in self._space.keymap)
        return Reading(controls=self._with_mouse(controls, mouse), keys=known, seq=seq)

    def _with_mouse(self, controls: np.ndarray, mouse: tuple[float, ...]) -> np.ndarray:
        for name, moved in zip(("look_x", "look_y"), mouse, strict=True):
            if name in self._space.axes:
                place = len(self._space.buttons) + self._space.axes.index(name)
                controls[place] = np.clip(moved * MOUSE_SCALE, -1.0, 1.0)
        return controls

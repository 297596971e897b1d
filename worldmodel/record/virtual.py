"""A display of our own (Xvfb), a window on it, and a keyboard that types by itself (XTest)."""

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from worldmodel.errors import UserError
from worldmodel.record.keys import KEYCODES

SCREEN = "1280x800x24"
PATIENCE = 20.0  # seconds for a display or a window to come up


class Stroke(NamedTuple):
    """A key that went down or up at a time, in seconds of `time.perf_counter`."""

    at: float
    code: str
    down: bool


@contextmanager
def virtual_display() -> Iterator[str]:
    """Run Xvfb; DISPLAY names it meanwhile. Raises UserError when it is not there or fails."""
    if shutil.which("Xvfb") is None:
        raise UserError("a virtual display needs Xvfb, which is not installed; apt install xvfb")
    read, write = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", SCREEN, "-nolisten", "tcp"],
        pass_fds=[write],
        stderr=subprocess.DEVNULL,
    )
    os.close(write)
    before = os.environ.get("DISPLAY")
    try:
        with os.fdopen(read) as pipe:
            number = pipe.readline().strip()
        if not number:
            raise UserError("Xvfb does not start here; run `Xvfb :99` to see why")
        os.environ["DISPLAY"] = f":{number}"
        yield os.environ["DISPLAY"]
    finally:
        os.environ.pop("DISPLAY") if before is None else os.environ.update(DISPLAY=before)
        server.terminate()
        server.wait()


@contextmanager
def target_window(toolkit: str = "tk", width: int = 640, height: int = 480) -> Iterator[str]:
    """Run the target on the display; yields its title. Raises UserError when it does not come."""
    from worldmodel.record.target import TITLE
    from worldmodel.record.x11 import Desktop

    command = [sys.executable, "-m", "worldmodel.record.target", "--toolkit", toolkit]
    process = subprocess.Popen([*command, "--width", str(width), "--height", str(height)])
    desktop = Desktop()
    try:
        until = time.monotonic() + PATIENCE
        while not _ready(desktop, TITLE):
            if process.poll() is not None or time.monotonic() > until:
                raise UserError(
                    f"the window to record does not open; install {_package(toolkit)}, or choose "
                    "the other --toolkit"
                )
            time.sleep(0.05)
        yield TITLE
    finally:
        desktop.close()
        process.terminate()
        process.wait()


class Typist:
    """Presses and releases keys of a display by itself, on a thread, and keeps the strokes."""

    def __init__(self, codes: Sequence[str], seed: int, shortest: float, longest: float) -> None:
        from Xlib import display

        self.strokes: list[Stroke] = []
        self._codes, self._random = list(codes), np.random.default_rng(seed)
        self._holds = shortest, longest
        self._display = display.Display()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._type, name="typist", daemon=True)

    def start(self, seconds: float) -> None:
        """Begin to type; after so many seconds every key is released."""
        self._until = time.perf_counter() + seconds
        self._thread.start()

    def close(self) -> None:
        """Release everything and type no more; wait for pynput's listeners, if they were stopped.

        They end with the next event that they see.
        """
        self._end.set()
        if self._thread.is_alive():
            self._thread.join()
        self.move(1, 0)
        for down in (True, False):
            self.stroke(self._codes[0], down)
        for thread in threading.enumerate():
            if type(thread).__module__.startswith("pynput"):
                thread.join(2.0)
        self._display.close()

    def move(self, dx: int, dy: int) -> None:
        """Move the mouse by so many pixels."""
        from Xlib import X
        from Xlib.ext import xtest

        xtest.fake_input(self._display, X.MotionNotify, True, x=dx, y=dy)
        self._display.sync()

    def stroke(self, code: str, down: bool) -> None:
        """Press or release a key now."""
        from Xlib import X
        from Xlib.ext import xtest

        at = time.perf_counter()
        kind = X.KeyPress if down else X.KeyRelease
        xtest.fake_input(self._display, kind, KEYCODES[code])
        self._display.sync()
        self.strokes.append(Stroke(at, code, down))

    def _type(self) -> None:
        """Hold one or two keys for a while, then none for a while, and again."""
        while not self._end.is_set() and time.perf_counter() < self._until:
            count = int(self._random.integers(1, 3))
            codes = self._random.choice(self._codes, count, replace=False)
            for code in codes:
                self.stroke(str(code), True)
                self._end.wait(float(self._random.uniform(0.01, 0.06)))
            self._end.wait(float(self._random.uniform(*self._holds)))
            for code in codes:
                self.stroke(str(code), False)
            self._end.wait(float(self._random.uniform(0.15, 0.4)))


def _ready(desktop: object, title: str) -> bool:
    """Whether the window is there and what is typed goes to it."""
    found = [window for window, name in desktop.windows() if name == title]
    return bool(found) and desktop.has_keyboard(found[0])


def _package(toolkit: str) -> str:
    return "Tk (apt install python3-tk)" if toolkit == "tk" else "pygame-ce (pip install pygame-ce)"

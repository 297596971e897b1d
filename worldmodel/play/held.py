"""Which keys are held, for windows that only report presses and their auto-repeat."""

import ctypes
import ctypes.util
import sys
from collections.abc import Callable

Probe = Callable[[str], bool]  # whether the key of a KeyboardEvent.code is down now

TAP = 0.12  # seconds that one press counts as held where releases cannot be seen
REPEAT = 0.12  # seconds after an auto-repeat within which the next one comes

KEYSYMS = {"ArrowLeft": 0xFF51, "ArrowUp": 0xFF52, "ArrowRight": 0xFF53, "ArrowDown": 0xFF54}
VIRTUAL = {"ArrowLeft": 0x25, "ArrowUp": 0x26, "ArrowRight": 0x27, "ArrowDown": 0x28}


class HeldKeys:
    """A key is held from its press until `probe` says it is up, or its repeats end."""

    def __init__(self, probe: Probe | None = None) -> None:
        self.probe = probe
        self._until: dict[str, float] = {}  # key -> when it counts as released without a probe
        self._fresh: set[str] = set()  # pressed since the last reading: a tap is seen once

    def press(self, code: str, now: float) -> None:
        """The window reported a press or a repeat of a key at `now`, in seconds."""
        again = code in self._until
        self._until[code] = now + (REPEAT if again else TAP)
        self._fresh.add(code)

    def read(self, now: float) -> tuple[str, ...]:
        """The keys held at `now`, in the order they were pressed."""
        for code, until in list(self._until.items()):
            down = self.probe(code) if self.probe else now < until
            if not down and code not in self._fresh:
                del self._until[code]
        self._fresh.clear()
        return tuple(self._until)

    def release(self) -> None:
        """Nothing is held any more."""
        self._until.clear()
        self._fresh.clear()


def system_probe() -> Probe | None:
    """The true state of the keyboard where the system tells it: X11 and Windows."""
    if sys.platform == "win32":
        state = ctypes.windll.user32.GetAsyncKeyState
        return lambda code: bool(state(VIRTUAL.get(code, ord(code[-1]))) & 0x8000)
    if sys.platform.startswith("linux"):
        return _x11_probe()
    return None


def x11() -> tuple[ctypes.CDLL, ctypes.c_void_p] | None:
    """libX11 and an open display, or None when there is none."""
    path = ctypes.util.find_library("X11")
    if path is None:
        return None
    library = ctypes.CDLL(path)
    library.XOpenDisplay.restype = ctypes.c_void_p
    display = library.XOpenDisplay(None)
    return (library, ctypes.c_void_p(display)) if display else None


def _x11_probe() -> Probe | None:
    opened = x11()
    if opened is None:
        return None
    library, display = opened
    bits = ctypes.create_string_buffer(32)  # one bit for each key of the keyboard
    library.XKeysymToKeycode.restype = ctypes.c_ubyte
    library.XKeysymToKeycode.argtypes = [ctypes.c_void_p, ctypes.c_ulong]

    def down(code: str) -> bool:
        keysym = KEYSYMS.get(code, 0x20 if code == "Space" else ord(code[-1].lower()))
        key = library.XKeysymToKeycode(display, keysym)
        library.XQueryKeymap(display, bits)
        return bool(bits.raw[key // 8] >> key % 8 & 1)

    return down

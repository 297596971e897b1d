"""Keys and mouse of the whole desktop, by pynput, written into an InputLog."""

import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Self

from worldmodel.errors import UserError
from worldmodel.record.keys import MOUSE, Physical, by_virtual_key, code_of
from worldmodel.record.log import InputLog


class Inputs:
    """Listens until it is closed. Hotkeys are called once a press, and are never in the log.

    `mouse` reports its motion, `clicks` its buttons. Presses count only while `open` is true;
    releases always. On X11 `desktop` tells where keys
    sit, and the mouse is read below the pointer, so that a game may hold it fast. Raises
    UserError where the system lets nobody listen.
    """

    def __init__(
        self,
        log: InputLog,
        hotkeys: Mapping[str, Callable[[], None]],
        *,
        mouse: bool = False,
        clicks: bool = False,
        desktop: Any | None = None,
    ) -> None:
        keyboard, pointer = _pynput()
        self.open = True
        self._log, self._hotkeys, self._clicks = log, hotkeys, clicks
        self._physical: Physical = desktop.physical if desktop else by_virtual_key(sys.platform)
        self._down: set[str] = set()  # hotkeys that are held, and repeat themselves
        self._at: tuple[float, float] | None = None
        self._listeners = [
            keyboard.Listener(on_press=self._press, on_release=self._release),
            pointer.Listener(
                on_click=self._click, on_move=self._move if mouse and not desktop else None
            ),
        ]
        for listener in self._listeners:
            listener.start()
            listener.wait()
        self._check_trust()
        if mouse and desktop:
            from worldmodel.record.x11 import RawMotion

            self._listeners.append(RawMotion(self._moved))

    def close(self) -> None:
        """Listen no more. On X11 a thread of pynput's ends with the next event it would get."""
        for listener in self._listeners:
            listener.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _press(self, key: Any, *_: object) -> None:
        at, code = time.perf_counter(), code_of(key, self._physical)
        if code in self._hotkeys:
            if code not in self._down:
                self._down.add(code)
                self._hotkeys[code]()
        elif code is not None and self.open:
            self._log.press(code, at)

    def _release(self, key: Any, *_: object) -> None:
        at, code = time.perf_counter(), code_of(key, self._physical)
        self._down.discard(code)
        if code is not None and code not in self._hotkeys:
            self._log.release(code, at)

    def _click(self, x: float, y: float, button: Any, down: bool, *_: object) -> None:
        at, code = time.perf_counter(), MOUSE.get(button.name)
        if code is None or not self._clicks:
            return
        if not down:
            self._log.release(code, at)
        elif self.open:
            self._log.press(code, at)

    def _move(self, x: float, y: float, *_: object) -> None:
        before, self._at = self._at, (x, y)
        if before is not None:
            self._moved(x - before[0], y - before[1], time.perf_counter())

    def _moved(self, dx: float, dy: float, at: float) -> None:
        if self.open:
            self._log.move(dx, dy, at)

    def _check_trust(self) -> None:
        if not getattr(self._listeners[0], "IS_TRUSTED", True):
            self.close()
            raise UserError(
                "macOS does not let this program see the keys; allow your terminal under System "
                "Settings, Privacy & Security, Input Monitoring and Accessibility"
            )


def _pynput() -> tuple[Any, Any]:
    try:
        from pynput import keyboard, mouse
    except ModuleNotFoundError:
        raise
    except ImportError as error:  # pynput finds no way to listen on this system
        raise UserError(
            f"the keys of this desktop cannot be seen ({str(error).splitlines()[0]}); start the "
            "recorder in a desktop session, or record a game with --game"
        ) from None
    return keyboard, mouse

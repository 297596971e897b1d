"""The X server: windows by their titles, who has the keyboard, true keys, raw mouse motion."""

import struct
import threading
import time
from collections.abc import Callable, Iterator
from select import select
from typing import Any

from Xlib import X, display
from Xlib.error import BadDrawable, BadWindow, ConnectionClosedError, DisplayError
from Xlib.ext import xinput

from worldmodel.errors import UserError
from worldmodel.record.keys import KEYCODES, X11
from worldmodel.record.screen import Region

GONE = (BadWindow, BadDrawable)
RAW_HEADER = 22  # bytes of an XIRawEvent before the valuator mask
BUTTON_MASKS = {"Mouse0": X.Button1Mask, "Mouse1": X.Button2Mask, "Mouse2": X.Button3Mask}


class Desktop:
    """One connection to the X server, for one thread. Raises UserError without a server."""

    def __init__(self) -> None:
        try:
            self.display = display.Display()
        except (DisplayError, ConnectionClosedError, OSError) as error:
            raise UserError(
                f"recording the desktop needs a display and none can be reached ({error}); start "
                "it in a desktop session, or record a game with --game"
            ) from None
        self.root = self.display.screen().root

    @property
    def is_wayland(self) -> bool:
        """Whether this is Xwayland, which sees neither other windows nor their keys."""
        named = any(name.startswith("XWAYLAND") for name in self._outputs())
        return named or self.display.query_extension("XWAYLAND") is not None

    def windows(self) -> Iterator[tuple[Any, str]]:
        """Every window that can be seen and has a title."""
        clients = self._property("_NET_CLIENT_LIST")
        if clients is None:  # no window manager keeps a list
            yield from self._inside(self.root)
            return
        for window in (self.display.create_resource_object("window", id) for id in clients):
            if self.region(window) is not None and self.title(window):
                yield window, self.title(window)

    def title(self, window: Any) -> str:
        """A window's title, empty when it has none."""
        try:
            name = window.get_full_text_property(self.display.get_atom("_NET_WM_NAME"))
            return name or window.get_wm_name() or ""
        except GONE:
            return ""

    def region(self, window: Any) -> Region | None:
        """Where a window is, without its frame; None when it is closed or not shown."""
        try:
            size = window.get_geometry()
            if window.get_attributes().map_state != X.IsViewable:
                return None
            at = self.root.translate_coords(window, 0, 0)
        except GONE:
            return None
        return Region(at.x, at.y, size.width, size.height)

    def has_keyboard(self, window: Any) -> bool:
        """Whether what is typed goes to this window or to one inside it."""
        focus = self.display.get_input_focus().focus
        if focus == X.PointerRoot:  # no window manager: the window under the pointer has it
            focus = self.root.query_pointer().child
        while focus not in (X.NONE, X.PointerRoot, self.root):
            if focus == window:
                return True
            try:
                focus = focus.query_tree().parent
            except GONE:
                return False
        return window.id in (self._property("_NET_ACTIVE_WINDOW") or ())

    def probe(self) -> Callable[[str], bool]:
        """What the keyboard and the mouse say now: whether a key is down."""
        bits, buttons = self.display.query_keymap(), self.root.query_pointer().mask

        def down(code: str) -> bool:
            if code in BUTTON_MASKS:
                return bool(buttons & BUTTON_MASKS[code])
            keycode = KEYCODES.get(code)
            return keycode is None or bool(bits[keycode // 8] >> keycode % 8 & 1)

        return down

    def physical(self, key: Any) -> str | None:
        """The code of the key that a pynput key sits on in the present layout."""
        keysym = getattr(key, "vk", None)
        if keysym is None and getattr(key, "char", None):
            keysym = ord(key.char)  # the same for Latin-1
        return X11.get(self.display.keysym_to_keycode(keysym)) if keysym else None

    def close(self) -> None:
        """Leave the server."""
        self.display.close()

    def _inside(self, parent: Any) -> Iterator[tuple[Any, str]]:
        try:
            children = parent.query_tree().children
        except GONE:
            return
        for window in children:
            title = self.title(window)
            if title and self.region(window) is not None:
                yield window, title
            yield from self._inside(window)

    def _property(self, name: str) -> list[int] | None:
        """What a window manager tells on the root window."""
        found = self.root.get_full_property(self.display.get_atom(name), X.AnyPropertyType)
        return None if found is None else list(found.value)

    def _outputs(self) -> list[str]:
        if self.display.query_extension("RANDR") is None:
            return []
        found = self.root.xrandr_get_screen_resources()
        stamp = found.config_timestamp
        return [self.display.xrandr_get_output_info(o, stamp).name for o in found.outputs]


class RawMotion:
    """The mouse's own motion, which goes on where a game holds the pointer fast (XInput 2).

    `moved` gets dx, dy in the device's units (usually pixels before acceleration) and the time.
    """

    def __init__(self, moved: Callable[[float, float, float], None]) -> None:
        self._moved, self._last = moved, {}
        self._display = display.Display()
        self._display.xinput_query_version()
        root = self._display.screen().root
        root.xinput_select_events([(xinput.AllMasterDevices, xinput.RawMotionMask)])
        self._display.flush()
        self._absolute = self._absolute_devices()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="mouse", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Report nothing any more."""
        self._end.set()
        self._thread.join()
        self._display.close()

    def _listen(self) -> None:
        while not self._end.is_set():
            if not select([self._display], [], [], 0.1)[0]:
                continue
            at = time.perf_counter()
            while self._display.pending_events():
                event = self._display.next_event()
                if getattr(event, "evtype", None) == xinput.RawMotion:
                    self._report(*read_raw(event.data), at)

    def _report(self, source: int, values: dict[int, float], at: float) -> None:
        if source in self._absolute:  # a tablet, or the mouse of a virtual machine
            last, now = self._last.get(source), {**self._last.get(source, {}), **values}
            self._last[source] = now
            values = {axis: now[axis] - last.get(axis, now[axis]) for axis in now} if last else {}
        if values.get(0) or values.get(1):
            self._moved(values.get(0, 0.0), values.get(1, 0.0), at)

    def _absolute_devices(self) -> set[int]:
        found = self._display.xinput_query_device(xinput.AllDevices).devices
        return {
            device.deviceid
            for device in found
            for each in device.classes
            if each.type == xinput.ValuatorClass and each.number == 0 and each.mode == 1
        }


def read_raw(data: bytes) -> tuple[int, dict[int, float]]:
    """An XIRawEvent after its generic header: the source device and accelerated valuators."""
    source, words = struct.unpack_from("=HH", data, 10)
    mask = int.from_bytes(data[RAW_HEADER : RAW_HEADER + 4 * words], "little")
    axes = [axis for axis in range(32 * words) if mask >> axis & 1]
    pairs = struct.iter_unpack("=iI", data[RAW_HEADER + 4 * words :][: 8 * len(axes)])
    return source, {a: whole + part / 2**32 for a, (whole, part) in zip(axes, pairs, strict=True)}

"""Names of keys: W3C `KeyboardEvent.code`, whatever the system calls them."""

import difflib
import string
from collections.abc import Callable, Mapping
from typing import Any

from worldmodel.errors import UserError
from worldmodel.games.base import ControlSpace

Physical = Callable[[Any], str | None]  # a pynput KeyCode -> the code of the key it sits on

# X11: evdev's keycodes, from the first of each run of keys that lie side by side
_RUNS = {
    9: "Escape",
    10: "Digit1 Digit2 Digit3 Digit4 Digit5 Digit6 Digit7 Digit8 Digit9 Digit0 Minus Equal",
    22: "Backspace Tab",
    24: "KeyQ KeyW KeyE KeyR KeyT KeyY KeyU KeyI KeyO KeyP BracketLeft BracketRight Enter",
    37: "ControlLeft KeyA KeyS KeyD KeyF KeyG KeyH KeyJ KeyK KeyL Semicolon Quote Backquote",
    50: "ShiftLeft Backslash KeyZ KeyX KeyC KeyV KeyB KeyN KeyM Comma Period Slash ShiftRight",
    63: "NumpadMultiply AltLeft Space CapsLock F1 F2 F3 F4 F5 F6 F7 F8 F9 F10 NumLock ScrollLock",
    79: "Numpad7 Numpad8 Numpad9 NumpadSubtract Numpad4 Numpad5 Numpad6 NumpadAdd",
    87: "Numpad1 Numpad2 Numpad3 Numpad0 NumpadDecimal",
    94: "IntlBackslash F11 F12",
    104: "NumpadEnter ControlRight NumpadDivide PrintScreen AltRight",
    110: "Home ArrowUp PageUp ArrowLeft ArrowRight End ArrowDown PageDown Insert Delete",
    133: "MetaLeft MetaRight ContextMenu",
}
X11 = {first + i: code for first, run in _RUNS.items() for i, code in enumerate(run.split())}
KEYCODES = {code: keycode for keycode, code in X11.items()}

MOUSE = {"left": "Mouse0", "middle": "Mouse1", "right": "Mouse2"}  # MouseEvent.button
PAD = (  # the W3C standard gamepad, in its order, and the left stick's four ways
    "PadSouth", "PadEast", "PadWest", "PadNorth", "PadL1", "PadR1", "PadL2", "PadR2", "PadSelect",
    "PadStart", "PadL3", "PadR3", "PadUp", "PadDown", "PadLeft", "PadRight", "PadStickUp",
    "PadStickDown", "PadStickLeft", "PadStickRight",
)  # fmt: skip
CODES = frozenset({*X11.values(), *MOUSE.values(), *PAD})

SPECIAL = {  # pynput's names, the same on every system
    "alt": "AltLeft", "alt_l": "AltLeft", "alt_r": "AltRight", "alt_gr": "AltRight",
    "backspace": "Backspace", "caps_lock": "CapsLock", "cmd": "MetaLeft", "cmd_l": "MetaLeft",
    "cmd_r": "MetaRight", "ctrl": "ControlLeft", "ctrl_l": "ControlLeft", "ctrl_r": "ControlRight",
    "delete": "Delete", "down": "ArrowDown", "end": "End", "enter": "Enter", "esc": "Escape",
    "home": "Home", "insert": "Insert", "left": "ArrowLeft", "menu": "ContextMenu",
    "num_lock": "NumLock", "page_down": "PageDown", "page_up": "PageUp",
    "print_screen": "PrintScreen", "right": "ArrowRight", "scroll_lock": "ScrollLock",
    "shift": "ShiftLeft", "shift_l": "ShiftLeft", "shift_r": "ShiftRight", "space": "Space",
    "tab": "Tab", "up": "ArrowUp", **{f"f{i}": f"F{i}" for i in range(1, 13)},
}  # fmt: skip
PUNCTUATION = {
    "-": "Minus", "=": "Equal", "[": "BracketLeft", "]": "BracketRight", ";": "Semicolon",
    "'": "Quote", "`": "Backquote", "\\": "Backslash", ",": "Comma", ".": "Period", "/": "Slash",
}  # fmt: skip
MACOS = dict(enumerate("asdfhgzxcv bqweryt123465=97-80]ou[ip lj'k;\\,/nm."))  # kVK_ANSI_*, from 0
# keys that belong to the desktop, never to a game whose keys are learned
DESKTOP = {"MetaLeft", "MetaRight", "CapsLock", "NumLock", "ScrollLock", "PrintScreen"}


def code_of(key: Any, physical: Physical) -> str | None:
    """The code of a pynput key; `physical` is asked for keys that type something."""
    name = getattr(key, "name", None)
    if name is not None:
        return SPECIAL.get(name)
    return physical(key) or _typed(getattr(key, "char", None))


def by_virtual_key(system: str) -> Physical:
    """For Windows and macOS, where a key's `vk` tells its place."""

    def physical(key: Any) -> str | None:
        vk = getattr(key, "vk", None)
        if vk is None:
            return None
        if system == "darwin":
            return _typed(MACOS.get(vk))
        return _typed(chr(vk)) if chr(vk) in string.ascii_uppercase + string.digits else None

    return physical


def _typed(character: str | None) -> str | None:
    """The key that types a character on a US keyboard."""
    if not character or len(character) != 1 or not character.isascii():
        return None
    if character.isalpha():
        return f"Key{character.upper()}"
    return f"Digit{character}" if character.isdigit() else PUNCTUATION.get(character)


def read_keymap(text: str, axes: tuple[str, ...] = ()) -> ControlSpace:
    """'KeyW=forward Space=jump' -> the controls, their buttons in this order.

    Raises UserError for what is no pair, no key, or a key named twice.
    """
    keymap: dict[str, str] = {}
    for word in text.replace(",", " ").split():
        code, _, button = word.partition("=")
        if not button:
            raise UserError(
                f"--keys should be pairs like 'KeyW=forward Space=jump', but {word!r} is none"
            )
        if check_code(code) in keymap:
            raise UserError(f"--keys names {code} twice; give each key one button")
        keymap[code] = button
    if not keymap:
        raise UserError("--keys is empty; give pairs like 'KeyW=forward', or leave it out")
    return ControlSpace(buttons=tuple(dict.fromkeys(keymap.values())), axes=axes, keymap=keymap)


def check_code(code: str) -> str:
    """The code again; raises UserError, with what may have been meant, when there is no such."""
    if code not in CODES:
        lower = {known.lower(): known for known in sorted(CODES)}
        near = difflib.get_close_matches(code.lower(), lower, 3) or ["keyw", "arrowup", "space"]
        raise UserError(
            f"there is no key {code!r}; keys have KeyboardEvent.code names such as "
            f"{', '.join(lower[each] for each in near)}"
        )
    return code


def shown(keys: Mapping[str, object] | tuple[str, ...]) -> str:
    """Held keys for people: 'W Left Space'."""
    return " ".join(key.removeprefix("Key").removeprefix("Arrow") for key in keys) or "-"

"""Key names of other programs, as W3C `KeyboardEvent.code` names.

W3C has no code for mouse buttons; here they are Mouse0 (left), Mouse1 (middle), Mouse2 (right),
Mouse3 and Mouse4, by the numbers of `MouseEvent.button`. Windows' virtual key codes depend on the
keyboard layout; they are read as a US one.
"""

from string import ascii_uppercase

# left, right, middle, back, forward: the order of Windows' flags and of Minecraft
MOUSE = ("Mouse0", "Mouse2", "Mouse1", "Mouse3", "Mouse4")

_LETTERS = {letter: f"Key{letter}" for letter in ascii_uppercase}
_DIGITS = {str(digit): f"Digit{digit}" for digit in range(10)}
_F_KEYS = [f"F{number}" for number in range(1, 25)]

_NAMED_VK = {
    0x01: "Mouse0", 0x02: "Mouse2", 0x04: "Mouse1", 0x05: "Mouse3",
    0x06: "Mouse4", 0x08: "Backspace", 0x09: "Tab", 0x0D: "Enter", 0x10: "ShiftLeft",
    0x11: "ControlLeft", 0x12: "AltLeft", 0x13: "Pause", 0x14: "CapsLock", 0x1B: "Escape",
    0x20: "Space", 0x21: "PageUp", 0x22: "PageDown", 0x23: "End", 0x24: "Home",
    0x25: "ArrowLeft", 0x26: "ArrowUp", 0x27: "ArrowRight", 0x28: "ArrowDown",
    0x2C: "PrintScreen", 0x2D: "Insert", 0x2E: "Delete", 0x5B: "MetaLeft", 0x5C: "MetaRight",
    0x5D: "ContextMenu", 0x6A: "NumpadMultiply", 0x6B: "NumpadAdd", 0x6D: "NumpadSubtract",
    0x6E: "NumpadDecimal", 0x6F: "NumpadDivide", 0x90: "NumLock", 0x91: "ScrollLock",
    0xA0: "ShiftLeft", 0xA1: "ShiftRight", 0xA2: "ControlLeft", 0xA3: "ControlRight",
    0xA4: "AltLeft", 0xA5: "AltRight", 0xBA: "Semicolon", 0xBB: "Equal", 0xBC: "Comma",
    0xBD: "Minus", 0xBE: "Period", 0xBF: "Slash", 0xC0: "Backquote", 0xDB: "BracketLeft",
    0xDC: "Backslash", 0xDD: "BracketRight", 0xDE: "Quote",
}  # fmt: skip

VIRTUAL_KEYS = {
    **_NAMED_VK,
    **{ord(name): code for name, code in (_LETTERS | _DIGITS).items()},
    **{0x60 + digit: f"Numpad{digit}" for digit in range(10)},
    **{0x70 + number: code for number, code in enumerate(_F_KEYS)},
}

_WORDS = {
    "space": "Space", " ": "Space", "enter": "Enter", "return": "Enter", "tab": "Tab",
    "esc": "Escape", "escape": "Escape", "backspace": "Backspace", "delete": "Delete",
    "up": "ArrowUp", "down": "ArrowDown", "left": "ArrowLeft", "right": "ArrowRight",
    "shift": "ShiftLeft", "leftshift": "ShiftLeft", "shiftl": "ShiftLeft", "lshift": "ShiftLeft",
    "rightshift": "ShiftRight", "shiftr": "ShiftRight", "rshift": "ShiftRight",
    "ctrl": "ControlLeft", "control": "ControlLeft", "leftcontrol": "ControlLeft",
    "leftctrl": "ControlLeft", "ctrll": "ControlLeft", "lctrl": "ControlLeft",
    "rightcontrol": "ControlRight", "rightctrl": "ControlRight", "ctrlr": "ControlRight",
    "alt": "AltLeft", "leftalt": "AltLeft", "altl": "AltLeft", "rightalt": "AltRight",
    "altr": "AltRight", "altgr": "AltRight", "capslock": "CapsLock", "pageup": "PageUp",
    "pagedown": "PageDown", "home": "Home", "end": "End", "insert": "Insert", "minus": "Minus",
    "-": "Minus", "equal": "Equal", "=": "Equal", "comma": "Comma", ",": "Comma",
    "period": "Period", ".": "Period", "slash": "Slash", "/": "Slash", ";": "Semicolon",
    "semicolon": "Semicolon", "apostrophe": "Quote", "'": "Quote", "graveaccent": "Backquote",
    "`": "Backquote", "leftbracket": "BracketLeft", "[": "BracketLeft",
    "rightbracket": "BracketRight", "]": "BracketRight", "backslash": "Backslash",
    "\\": "Backslash", "mouseleft": "Mouse0", "leftclick": "Mouse0", "lmb": "Mouse0",
    "lclick": "Mouse0", "mouseright": "Mouse2", "rightclick": "Mouse2",
    "rmb": "Mouse2", "rclick": "Mouse2", "mousemiddle": "Mouse1",
    "middleclick": "Mouse1", "mmb": "Mouse1", "arrowup": "ArrowUp",
    "arrowdown": "ArrowDown", "arrowleft": "ArrowLeft", "arrowright": "ArrowRight",
    **{f"keypad{digit}": f"Numpad{digit}" for digit in range(10)},
}  # fmt: skip

_CODES = {
    *VIRTUAL_KEYS.values(),
    *_WORDS.values(),
    *(code for code in ("NumpadEnter", "IntlBackslash")),
}


def code_of(name: str) -> str | None:
    """Return the W3C code of a key's name as people and programs write it, None when unknown.

    W3C codes, single letters and digits, F1 to F24, Minecraft's `key.keyboard.left.shift`,
    pynput's `Key.shift_l` and plain words such as "left ctrl" are known.
    """
    if name in _CODES:
        return name
    short = name.lower().removeprefix("key.keyboard.").removeprefix("key.")
    if len(short) == 1 and short.upper() in _LETTERS | _DIGITS:
        return (_LETTERS | _DIGITS)[short.upper()]
    if short.upper() in _F_KEYS:
        return short.upper()
    plain = "".join(c for c in short if c not in "._ ") if len(short) > 1 else short
    return _WORDS.get(plain)

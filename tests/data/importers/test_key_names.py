"""Names of keys as programs and people write them."""

import pytest

from worldmodel.data.importers.keys import VIRTUAL_KEYS, code_of


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("KeyW", "KeyW"), ("w", "KeyW"), ("W", "KeyW"), ("5", "Digit5"), ("f11", "F11"),
        ("key.keyboard.w", "KeyW"), ("key.keyboard.left.shift", "ShiftLeft"),
        ("key.keyboard.left.control", "ControlLeft"), ("key.keyboard.keypad.7", "Numpad7"),
        ("key.keyboard.space", "Space"), ("key.keyboard.3", "Digit3"), 
        ("Key.shift_r", "ShiftRight"),
        ("left ctrl", "ControlLeft"), ("Space", "Space"), ("page up", "PageUp"), (".", "Period"),
        ("lmb", "Mouse0"), ("Mouse2", "Mouse2"), ("warp", None), ("", None),
    ],
)  # fmt: skip
def test_a_name_has_one_code(name, code):
    assert code_of(name) == code


def test_virtual_keys_are_windows():
    known = {0x57: "KeyW", 0x31: "Digit1", 0x70: "F1", 0x69: "Numpad9", 0xA0: "ShiftLeft"}
    assert {vk: VIRTUAL_KEYS[vk] for vk in known} == known
    assert all(code_of(code) == code for code in VIRTUAL_KEYS.values())

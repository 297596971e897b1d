"""Keys have W3C names, whatever the system and the layout call them."""

from types import SimpleNamespace

import pytest

from worldmodel.errors import UserError
from worldmodel.record.keys import (
    CODES,
    SPECIAL,
    X11,
    by_virtual_key,
    code_of,
    read_keymap,
    shown,
)


def key(char=None, vk=None):
    return SimpleNamespace(char=char, vk=vk)


def test_every_name_is_a_code():
    assert set(SPECIAL.values()) <= CODES
    assert [X11[n] for n in (25, 38, 65, 111, 113, 50, 94)] == [
        "KeyW", "KeyA", "Space", "ArrowUp", "ArrowLeft", "ShiftLeft", "IntlBackslash",
    ]  # fmt: skip
    assert len(set(X11.values())) == len(X11)


def test_the_place_counts_before_the_letter():
    """On a French keyboard the key that types z sits where W is."""
    assert code_of(key("z", 0x7A), lambda key: "KeyW") == "KeyW"
    assert code_of(key("z"), lambda key: None) == "KeyZ"
    assert code_of(key("é"), lambda key: None) is None
    assert code_of(SimpleNamespace(name="left"), lambda key: None) == "ArrowLeft"
    assert code_of(SimpleNamespace(name="media_next"), lambda key: None) is None


def test_virtual_keys_of_windows_and_macos():
    windows, macos = by_virtual_key("win32"), by_virtual_key("darwin")
    assert [windows(key(vk=n)) for n in (0x57, 0x31, 0x25, None)] == ["KeyW", "Digit1", None, None]
    assert [macos(key(vk=n)) for n in (0, 13, 18, 29, 46, 43, 200)] == [
        "KeyA", "KeyW", "Digit1", "Digit0", "KeyM", "Comma", None,
    ]  # fmt: skip
    assert code_of(key("\x17", 0x57), windows) == "KeyW"  # control and W


def test_a_keymap_is_read_in_its_order():
    space = read_keymap("KeyW=forward, ArrowUp=forward Space=jump Mouse0=fire", ("look_x",))
    assert space.buttons == ("forward", "jump", "fire") and space.axes == ("look_x",)
    assert space.keymap["ArrowUp"] == "forward"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is empty"),
        ("KeyW", "pairs like"),
        ("KeyW=a KeyW=b", "KeyW twice"),
        ("keyw=forward", "no key 'keyw'.* KeyW"),
        ("Up=forward", "no key 'Up'"),
    ],
)
def test_a_keymap_that_is_none_is_a_sentence(text, sentence):
    with pytest.raises(UserError, match=sentence):
        read_keymap(text)


def test_keys_for_people():
    assert shown(("KeyW", "ArrowLeft", "Space")) == "W Left Space" and shown(()) == "-"

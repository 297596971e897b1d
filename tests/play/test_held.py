"""Held keys, told from presses and repeats or from the keyboard itself; no clock is needed."""

from worldmodel.play.held import REPEAT, TAP, HeldKeys


def test_a_tap_is_seen_once_however_short():
    keys = HeldKeys(lambda code: False)  # already up when it is asked
    keys.press("KeyW", 0.0)
    assert keys.read(0.01) == ("KeyW",)
    assert keys.read(0.02) == ()


def test_a_key_is_held_while_the_keyboard_says_so():
    down = {"KeyW"}
    keys = HeldKeys(lambda code: code in down)
    keys.press("KeyW", 0.0)
    assert all(keys.read(second) == ("KeyW",) for second in range(5))
    down.clear()
    assert keys.read(5.0) == ()


def test_keys_come_in_the_order_they_were_pressed():
    keys = HeldKeys(lambda code: True)
    for at, code in enumerate(("ArrowLeft", "KeyW", "ArrowLeft")):
        keys.press(code, at)
    assert keys.read(3.0) == ("ArrowLeft", "KeyW")
    keys.release()
    assert keys.read(4.0) == ()


def test_without_the_keyboard_a_key_is_held_until_its_repeats_end():
    keys = HeldKeys()
    keys.press("KeyA", 0.0)
    assert keys.read(TAP / 2) == ("KeyA",)
    for repeat in range(1, 10):
        keys.press("KeyA", repeat * REPEAT / 2)
        assert keys.read(repeat * REPEAT / 2 + REPEAT / 4) == ("KeyA",)
    assert keys.read(9 * REPEAT / 2 + 1.1 * REPEAT) == ()

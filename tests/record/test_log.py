"""What is held in a frame is what was down at any moment of it, whatever the keyboard does."""

import pytest

from worldmodel.record.log import SETTLED, Held, InputLog


@pytest.fixture
def log():
    return InputLog()


def frames(log, count):
    """What was held in each of the frames taken at 1, 2, 3, ..."""
    return [log.take(until).keys for until in range(1, count + 1)]


def test_a_key_is_in_every_frame_that_it_was_down_in(log):
    log.press("KeyW", 0.9)
    log.release("KeyW", 2.1)
    assert frames(log, 4) == [("KeyW",), ("KeyW",), ("KeyW",), ()]


def test_at_the_moment_a_picture_is_taken_the_frame_ends(log):
    log.press("KeyW", 1.0)
    log.release("KeyW", 2.0)
    assert frames(log, 3) == [("KeyW",), ("KeyW",), ()]


def test_a_tap_shorter_than_a_frame_is_in_one(log):
    log.press("Space", 1.3)
    log.release("Space", 1.31)
    assert frames(log, 3) == [(), ("Space",), ()]


def test_two_taps_in_a_frame_are_one_key(log):
    for at in (0.1, 0.5):
        log.press("Space", at)
        log.release("Space", at + 0.1)
    assert frames(log, 2) == [("Space",), ()]


def test_auto_repeat_changes_nothing(log):
    """Some systems repeat presses only, others releases and presses."""
    for i in range(1, 30):
        log.press("KeyW", i / 10)
        log.press("KeyA", i / 10 + 0.05)
        log.release("KeyA", i / 10 + 0.06)
        log.press("KeyA", i / 10 + 0.06)
    log.release("KeyW", 3.0)
    log.release("KeyA", 3.0)
    assert [set(keys) for keys in frames(log, 4)] == [{"KeyW", "KeyA"}] * 3 + [set()]


def test_keys_stand_in_the_order_they_were_pressed(log):
    log.press("KeyD", 0.1)
    log.press("KeyA", 0.2)
    log.release("KeyD", 1.1)
    log.press("KeyD", 1.2)
    assert frames(log, 3) == [("KeyD", "KeyA"), ("KeyA", "KeyD"), ("KeyA", "KeyD")]


def test_the_mouse_moves_by_the_sum(log):
    log.move(3, -1, 0.2)
    log.move(4, 0, 0.9)
    log.move(1, 1, 1.5)
    assert [log.take(t) for t in (1, 2, 3)] == [Held(dx=7, dy=-1), Held(dx=1, dy=1), Held()]


def test_latency_moves_keys_to_the_frame_that_shows_them(log):
    """A key pressed at 0.8 shows 0.3 later, so not in the picture at 1 but in that at 2."""
    log.press("KeyW", 0.8)
    assert [log.take(at - 0.3).keys for at in (1, 2)] == [(), ("KeyW",)]


def test_a_release_that_was_never_reported_leaves_no_key_stuck(log):
    log.press("KeyW", 0.5)
    log.press("KeyA", 0.6)
    log.take(1)
    log.confirm(lambda code: code == "KeyA", 1.0)
    assert frames(log, 1) == [("KeyA",)]


def test_a_fresh_press_or_a_release_yet_to_be_read_is_not_taken_back(log):
    log.press("KeyA", 0.1)
    log.press("KeyW", 1.0)
    log.take(1.0)
    log.release("KeyA", 1.9)
    log.confirm(lambda code: False, 1.0 + SETTLED / 2)
    assert log.take(2.0).keys == ("KeyA", "KeyW")


def test_losing_the_keyboard_releases_everything(log):
    log.press("KeyW", 0.5)
    log.take(1)
    log.press("KeyA", 1.5)
    log.move(9, 9, 1.6)
    log.clear()
    assert log.take(2).idle
    log.release("KeyW", 2.5)  # comes later and matters no more
    assert log.take(3).idle


def test_what_was_held_over_two_stretches():
    first, second = Held(keys=("KeyW", "KeyA"), dx=1), Held(keys=("KeyW",), dx=2, dy=3)
    assert first.then(second) == Held(keys=("KeyA", "KeyW"), dx=3, dy=3)
    assert Held().idle and not Held(dy=-1).idle

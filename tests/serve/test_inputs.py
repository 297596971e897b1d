"""Held keys, taps and the mouse, as one step reads them."""

import numpy as np
from stub_engine import CONTROLS

from worldmodel.games.base import ControlSpace
from worldmodel.serve.inputs import Inputs


def pressed(inputs: Inputs, space: ControlSpace = CONTROLS) -> tuple[str, ...]:
    return space.pressed(inputs.read().controls)


def test_what_is_held_is_read_again_and_again():
    inputs = Inputs(CONTROLS)
    inputs.hold(1, ["KeyW", "ArrowLeft"])
    assert pressed(inputs) == pressed(inputs) == ("forward", "turn_left")


def test_a_tap_between_two_steps_lasts_one_step():
    inputs = Inputs(CONTROLS)
    inputs.hold(1, ["KeyW"])
    inputs.hold(2, [])
    reading = inputs.read()
    assert (CONTROLS.pressed(reading.controls), reading.keys, reading.seq) == (
        ("forward",),
        ("KeyW",),
        2,
    )
    assert pressed(inputs) == ()


def test_of_opposites_the_last_pressed_wins_and_the_first_returns():
    inputs = Inputs(CONTROLS)
    inputs.hold(1, ["KeyW", "KeyS"])
    assert pressed(inputs) == ("backward",)
    inputs.hold(2, ["KeyW"])
    assert pressed(inputs) == ("forward",)


def test_a_tap_of_the_opposite_wins_its_one_step():
    inputs = Inputs(CONTROLS)
    inputs.hold(1, ["KeyW"])
    inputs.hold(2, ["KeyW", "KeyS"])
    inputs.hold(3, ["KeyW"])
    assert pressed(inputs) == ("backward",)
    assert pressed(inputs) == ("forward",)


def test_a_key_let_go_and_pressed_again_counts_as_pressed_last():
    inputs = Inputs(CONTROLS)
    inputs.hold(1, ["KeyW", "KeyS"])
    inputs.hold(2, ["KeyS"])
    inputs.hold(3, ["KeyS", "KeyW"])
    assert pressed(inputs) == ("forward",)


def test_release_forgets_taps_too():
    inputs = Inputs(CONTROLS)
    inputs.hold(1, ["KeyW"])
    inputs.hold(2, [])
    inputs.release()
    assert pressed(inputs) == ()


def test_keys_that_the_world_lacks_are_not_recorded():
    inputs = Inputs(CONTROLS)
    inputs.hold(1, ["KeyZ", "KeyW"])
    assert inputs.read().keys == ("KeyW",)


def test_mouse_movement_is_summed_bounded_and_used_up():
    inputs = Inputs(ControlSpace(buttons=("fire",), axes=("look_x", "look_y")))
    inputs.move(20, -1000)
    inputs.move(30, 0)
    np.testing.assert_allclose(inputs.read().controls, [0, 0.5, -1.0])
    np.testing.assert_allclose(inputs.read().controls, [0, 0, 0])

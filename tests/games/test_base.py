"""Controls: keys become buttons, the last pressed of two opposites wins."""

import json

import numpy as np
import pytest

from worldmodel.errors import UserError
from worldmodel.games.base import ControlSpace

SPACE = ControlSpace(
    buttons=("forward", "backward", "jump"),
    axes=("look_x",),
    keymap={"KeyW": "forward", "ArrowUp": "forward", "KeyS": "backward", "Space": "jump"},
    opposites=(("forward", "backward"),),
)


def test_a_vector_has_buttons_first_and_axes_after_them():
    vector = SPACE.vector(["jump"], {"look_x": -2.5})
    assert vector.dtype == np.float32
    assert vector.tolist() == [0, 0, 1, -2.5]
    assert SPACE.size == 4
    assert SPACE.pressed(vector) == ("jump",)


@pytest.mark.parametrize(
    ("keys", "pressed"),
    [
        ((), ()),
        (("KeyW", "Space"), ("forward", "jump")),
        (("KeyW", "KeyS"), ("backward",)),
        (("KeyS", "KeyW"), ("forward",)),
        (("KeyW", "ArrowUp"), ("forward",)),
        (("KeyP", "Space"), ("jump",)),
    ],
)
def test_held_keys_press_their_buttons(keys, pressed):
    assert SPACE.pressed(SPACE.from_keys(keys)) == pressed


def test_buttons_are_written_as_the_first_of_their_keys():
    assert SPACE.keys_for(SPACE.vector(["forward", "jump"])) == ("KeyW", "Space")


def test_a_control_space_survives_json():
    assert ControlSpace.from_json(json.loads(json.dumps(SPACE.to_json()))) == SPACE


@pytest.mark.parametrize("damage", [{"buttons": None}, {"opposites": [["forward"]]}])
def test_a_damaged_control_space_is_refused(damage):
    with pytest.raises(UserError, match="damaged"):
        ControlSpace.from_json({**SPACE.to_json(), **damage})


def test_unknown_names_are_refused():
    with pytest.raises(UserError, match="'fly'"):
        SPACE.vector(["fly"])
    with pytest.raises(UserError, match="'fly'"):
        ControlSpace(buttons=("forward",), keymap={"KeyF": "fly"})

"""Lines of actions.jsonl that hold what no control can be."""

import json

import pytest

from worldmodel.data.actions import action_record, read_actions
from worldmodel.errors import UserError
from worldmodel.games.base import ControlSpace

SPACE = ControlSpace(buttons=(), axes=("look_x",))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_value_that_is_not_finite_is_named_with_its_line(tmp_path, value):
    records = [
        action_record(t, 20.0, (), (), {"look_x": value if t == 2 else 1.0}) for t in (0, 1, 2)
    ]
    path = tmp_path / "actions.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    with pytest.raises(UserError, match=r"actions.jsonl line 3 has a value that is not finite"):
        read_actions(path, 3, SPACE)

"""The learning rate: up, along, down."""

import pytest
from tiny import quick

from worldmodel.errors import UserError
from worldmodel.train.config import rate_at


def test_the_rate_warms_up_holds_and_falls_to_zero():
    config = quick(steps=100, learning_rate=1.0, warmup=10, decay=0.4)
    rates = [rate_at(step, config) for step in range(101)]
    assert rates[:10] == pytest.approx([0.1 * (i + 1) for i in range(10)])
    assert rates[10:61] == [1.0] * 51
    assert rates[60:] == pytest.approx([1 - i / 40 for i in range(41)])


def test_without_warm_up_and_decay_the_rate_is_constant():
    config = quick(steps=5, learning_rate=0.3, warmup=0, decay=0.0)
    assert [rate_at(step, config) for step in range(5)] == [0.3] * 5


@pytest.mark.parametrize(
    "name", ["steps", "batch", "log_every", "validate_every", "picture_every", "save_every"]
)
def test_nothing_to_do_is_refused_in_a_sentence(name):
    with pytest.raises(UserError, match="must be at least 1"):
        quick(**{name: 0})

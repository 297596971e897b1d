"""Inverse dynamics: blocks are matched where they went, and every frame around has a say."""

import pytest
import torch

from worldmodel.errors import UserError
from worldmodel.model.inverse_dynamics import (
    SHIFTS,
    InverseDynamics,
    InverseDynamicsConfig,
    matching_cost,
)

SIZES = InverseDynamicsConfig(
    buttons=("left", "jump"), axes=("look_x",), height=32, width=64, features=8, code=16, reach=2
)


@pytest.mark.parametrize("shift", [(0, 0), (-2, 6), (1, -3), (2, -6)])
def test_a_block_costs_least_at_the_shift_it_made(shift):
    """(dy, dx): so many pixels further down and right than it was."""
    scene = torch.rand(1, 1, 40, 60)
    dy, dx = shift
    before = scene[..., 8:32, 10:50]
    after = scene[..., 8 - dy : 32 - dy, 10 - dx : 50 - dx]
    cost = matching_cost(before, after)[0, :, 1:-1, 2:-2]  # edges repeat
    assert cost.shape == (len(SHIFTS), 4, 6)
    assert (cost.argmin(dim=0) == SHIFTS.index(shift)).all()
    assert cost.min(dim=0).values.max() < 1e-6


def test_one_row_for_each_transition_and_axes_in_their_own_units():
    network = InverseDynamics(SIZES).eval()
    pictures = torch.rand(2, 7, 3, 32, 64)
    out = network(pictures)
    assert out.shape == (2, 6, 3)
    network.unit.fill_(50.0)
    scaled = network(pictures)
    torch.testing.assert_close(scaled[..., 2], 50 * out[..., 2])
    torch.testing.assert_close(scaled[..., :2], out[..., :2])


def test_it_looks_as_far_back_and_ahead_as_its_reach():
    network = InverseDynamics(SIZES).eval()
    pictures = torch.rand(1, 12, 3, 32, 64, requires_grad=True)
    network(pictures)[0, 5].sum().backward()  # what led from frame 5 to frame 6
    seen = pictures.grad.abs().amax(dim=(0, 2, 3, 4)) > 0
    assert seen.nonzero().flatten().tolist() == [3, 4, 5, 6, 7, 8]


def test_frames_of_another_size_are_resized():
    assert InverseDynamics(SIZES)(torch.rand(1, 3, 3, 90, 160)).shape == (1, 2, 3)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"buttons": ()}, "no buttons"),
        ({"height": 40}, "multiples of 32"),
        ({"code": 0}, "least 1"),
    ],
)
def test_impossible_sizes_are_one_sentence(changes, sentence):
    with pytest.raises(UserError, match=sentence):
        InverseDynamicsConfig(**{**vars(SIZES), **changes})

"""Poses: angles wrap round, and standard units become the map's."""

import pytest
import torch

from worldmodel.errors import UserError
from worldmodel.model.pose import PoseConfig, PoseRegressor, pose_errors


def test_errors_of_angles_wrap_round():
    a, b = torch.tensor([[0.0, 0, 350], [3, 4, 90]]), torch.tensor([[0.0, 0, 10], [0, 0, 270]])
    assert pose_errors(a, b).tolist() == [[0, 20], [5, 180]]


def test_a_pose_is_told_in_the_maps_units():
    network = PoseRegressor(PoseConfig(game="any", height=16, width=32, features=4, code=8)).eval()
    network.middle.copy_(torch.tensor([100.0, 200]))
    network.extent.copy_(torch.tensor([10.0, 20]))
    torch.nn.init.zeros_(network.layers[-1].weight)
    network.layers[-1].bias.data = torch.tensor([1.0, -1.0, 0.0, -2.0])  # cosine 0, sine below 0
    (pose,) = network.poses(torch.rand(1, 3, 48, 64)).tolist()
    assert pose == pytest.approx([110, 180, 270], abs=1e-4)


def test_impossible_sizes_are_one_sentence():
    with pytest.raises(UserError, match="multiples of 16"):
        PoseConfig(game="any", height=40)

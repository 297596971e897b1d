"""Poses: angles wrap round, known pictures are found again, and a path tells twins apart."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from worldmodel.errors import UserError
from worldmodel.model.pose import PoseConfig, PoseRegressor, pose_errors, standardised

HALL = 40  # places along a hall, 10 units apart, all seen northwards


def hall(twins: bool) -> tuple[PoseRegressor, Tensor]:
    """A regressor that knows the pictures of a hall, and these [n 3 H W]; of twins, the second half
    of the hall looks like the first."""
    draw = torch.Generator().manual_seed(0)
    wall = torch.rand(3, 8, 16 + 4 * HALL, generator=draw)
    places = [4 * (i % (HALL // 2) if twins else i) for i in range(HALL)]
    pictures = torch.stack([wall[:, :, at : at + 16] for at in places])
    pose = PoseRegressor(PoseConfig(game="hall", pictures=HALL, height=8, width=16, components=384))
    pose.basis.copy_(torch.eye(384))
    pose.codes.copy_(standardised(pictures, (8, 16)))
    pose.known.copy_(torch.tensor([[10.0 * i, 5.0, 90.0] for i in range(HALL)]))
    pose.step.copy_(torch.tensor([10.0, 7.0]))
    return pose, pictures


def test_errors_of_angles_wrap_round():
    a, b = torch.tensor([[0.0, 0, 350], [3, 4, 90]]), torch.tensor([[0.0, 0, 10], [0, 0, 270]])
    assert pose_errors(a, b).tolist() == [[0, 20], [5, 180]]


def test_a_known_picture_is_found_again_in_any_light():
    pose, pictures = hall(twins=False)
    for shown in (pictures, 0.6 * pictures + 0.1):
        errors = pose_errors(pose.poses(shown), pose.known)
        assert errors[:, 0].max() < 1 and errors[:, 1].max() < 0.1


def test_twins_are_told_apart_by_the_way_there():
    pose, pictures = hall(twins=True)
    walk = torch.arange(HALL // 2 + 3, HALL // 2 + 11)
    alone = pose_errors(pose.poses(pictures[walk]), pose.known[walk])[:, 0]
    assert (alone > 50).any()  # the first half looks the same
    followed = pose.follow(pictures[walk], pose.known[walk[0] - 1])
    assert pose_errors(followed, pose.known[walk])[:, 0].max() < 1


def test_blur_moves_no_pose_and_another_way_does():
    """A known answer: the figure sees where a dream goes, not how sharp it is."""
    pose, pictures = hall(twins=False)
    there, back = torch.arange(21, 29), torch.arange(19, 11, -1)
    soft = F.avg_pool2d(F.pad(pictures, (1, 1, 1, 1), mode="replicate"), 3, 1)
    for shown in (pictures, soft):
        found = pose.follow(shown[there], pose.known[20])
        assert pose_errors(found, pose.known[there])[:, 0].max() < 5
    astray = pose_errors(pose.follow(pictures[back], pose.known[20]), pose.known[there])[:, 0]
    assert astray.diff().min() > 10 and astray[-1] == pytest.approx(160, abs=5)


def test_what_tells_nothing_stays_near():
    """Grey pictures: the path does not leave what can be reached."""
    pose, pictures = hall(twins=False)
    found = pose.follow(torch.full_like(pictures[:4], 0.5), pose.known[20])
    assert pose_errors(found, pose.known[20])[:, 0].max() <= 1.3 * 10 * 5


def test_one_known_picture_is_the_answer_to_all():
    pose = PoseRegressor(PoseConfig(game="any", height=4, width=4, components=3))
    pose.known.copy_(torch.tensor([[7.0, 8.0, 359.0]]))
    expected = pytest.approx([7, 8, 359], abs=1e-3)
    for found in (
        pose.poses(torch.rand(3, 3, 8, 8)),
        pose.follow(torch.rand(3, 3, 8, 8), pose.known[0]),
    ):
        assert [row for row in found.tolist() if row != expected] == []


def test_impossible_sizes_are_one_sentence():
    with pytest.raises(UserError, match="must be at least 1"):
        PoseConfig(game="any", height=0)
    with pytest.raises(UserError, match="at most 48 components, found 49"):
        PoseConfig(game="any", height=4, width=4, components=49)

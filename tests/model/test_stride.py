"""Stride: keys lead on, walls let nobody through, and the eye bobs as it was seen to."""

import dataclasses
import math

import pytest
import torch
from room import AHEAD, TURN, WALLS, stride

from worldmodel.errors import UserError
from worldmodel.model.stride import Stride, StrideConfig, held_for, pushed_out, wall_distances


@pytest.fixture
def walls():
    return torch.as_tensor(WALLS)


def keys(*newest_first):
    """Recent controls [1 5 4] of the room's four buttons."""
    held = torch.zeros(1, 5, 4)
    for i, button in enumerate(newest_first):
        if button is not None:
            held[0, i, button] = 1
    return held


def standing(x, y, angle):
    return torch.tensor([[x, y, angle, 41, 0, 0, 0, 1.0]])


def test_who_walks_goes_where_he_looks_and_a_little_further(walls):
    state = stride()(standing(40.0, 50, 90), keys(0), walls)
    assert state[0, :3].tolist() == pytest.approx([40, 50 + AHEAD, 90], abs=1e-4)
    state = stride()(state, keys(None, 0), walls)
    assert state[0, :2].tolist() == pytest.approx([40, 50 + 1.5 * AHEAD], abs=1e-4)


def test_who_turns_looks_elsewhere_and_stands_where_he_stood(walls):
    state = stride()(standing(40.0, 50, 355), keys(2), walls)
    assert state[0, :3].tolist() == pytest.approx([40, 50, 355 + TURN - 360], abs=1e-4)
    assert stride()(state, keys(3), walls)[0, 2] == pytest.approx(355, abs=1e-4)


def test_a_wall_stops_and_lets_slide(walls):
    state = standing(40.0, 150, 45)
    for _ in range(10):
        before, state = state, stride()(state, keys(0), walls)
    assert state[0, 1] == pytest.approx(152, abs=1e-3)  # 8 units from the wall
    assert 2 < float(state[0, 0] - before[0, 0]) < 2 * AHEAD


def test_nobody_runs_through_a_wall(walls):
    """A step longer than the body is wide ends before the wall; one past a pillar goes on."""
    fast = stride()
    fast.step[0, 0] = 13.0
    for angle in range(0, 360, 15):
        state = standing(30.0, 30, angle)
        for _ in range(20):
            state = fast(state, keys(0, 0), walls)
            assert wall_distances(state[:, :2], walls) > 7.9
            assert (state[0, :2] > 7.9).all() and (state[0, :2] < 152.1).all()
            assert not ((state[0, :2] > 90) & (state[0, :2] < 110)).all()  # in the pillar
    beside = fast(standing(80.0, 75, 0), keys(0, 0), walls)
    assert beside[0, :2].tolist() == pytest.approx([93, 75], abs=1e-3)


def test_nobody_is_left_in_a_wall_or_a_corner(walls):
    places = torch.tensor([[3.0, 4.0], [158.0, 157.0], [80.0, 89.0], [88.0, 88.0], [50.0, 50.0]])
    out = pushed_out(places, walls, 8.0)
    assert wall_distances(out, walls).min() > 7.99
    assert torch.equal(out[-1], places[-1])


def test_what_is_held_for_long_is_told():
    config = StrideConfig(opposites=(0, 1, 2, 3), history=4)
    held = held_for(keys(0, 0, 1, None, 0)[:, :4], config).view(4, 2)
    assert held[:, 0].tolist() == [1, 1, 1, 0]  # either way counts as going on
    assert held_for(keys(3)[:, :4], config).view(4, 2).tolist() == [[0, -1]] + 3 * [[0, 0]]
    unknown = torch.full((1, 4, 4), torch.nan)
    assert held_for(unknown, config).abs().sum() == 0


def test_the_eye_bobs_on_as_it_was_seen_to(walls):
    """A known wave: its height and phase are found from poses, and it goes on so."""
    bobbing = Stride(dataclasses.replace(stride().config, rise=0.1, period=10.0, highest=9.0))
    bobbing.step.copy_(stride().step)
    bobbing.step[-2, 0] = 1.0  # goes on for ever

    def pose(t):
        eye = 41 + 0.1 * AHEAD**2 * math.sin(2 * math.pi * t / 10 + 0.7)
        return torch.tensor([[30.0, 30 + AHEAD * t, 90.0, eye]])

    state = torch.full((1, 8), torch.nan)
    for t in range(4):
        state = bobbing.found(state, pose(t))
    for t in range(4, 15):
        state = bobbing(state, keys(), walls)
        assert state[0, :4].tolist() == pytest.approx(pose(t)[0].tolist(), abs=1e-2)


def test_of_whom_nothing_is_known_nothing_is_known_later(walls):
    assert stride()(torch.full((1, 8), torch.nan), keys(0), walls)[0, :4].isnan().all()


def test_strides_that_cannot_be_are_a_sentence():
    with pytest.raises(UserError, match="must be above 0"):
        StrideConfig(history=0)
    with pytest.raises(UserError, match="must be pairs"):
        StrideConfig(opposites=(0, 1, 2))

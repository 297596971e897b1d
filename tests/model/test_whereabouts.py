"""Whereabouts: a player is found where he stands, followed as he walks, and lost elsewhere."""

import pytest
import torch
from room import EYE, Room, finder, look, pixels
from room import atlas as room_atlas

from worldmodel.model.pose import pose_errors
from worldmodel.model.tokenizer import to_float
from worldmodel.model.whereabouts import DOUBT, NEAR, Whereabouts

THERE = torch.tensor([62.0, 47.0, 130.0, EYE + 2])


@pytest.fixture(scope="module")
def whereabouts():
    atlas = room_atlas()
    return Whereabouts(atlas, finder(atlas))


def seen(pose):
    return torch.as_tensor(look(*pose.tolist())).movedim(-1, 0).float()


def errors(found, pose):
    return *pose_errors(found[:3], pose[:3]).tolist(), abs(float(found[3] - pose[3]))


def test_who_is_expected_nearby_is_found_to_two_units(whereabouts):
    expected = THERE + torch.tensor([3.0, -2.0, 2.5, -2.0])
    found, off = whereabouts.nearer(seen(THERE), expected, NEAR, DOUBT)
    units, degrees, high = errors(found, THERE)
    assert units < 2 and degrees < 1 and high < 1
    view, _ = whereabouts.atlas.view(expected)
    assert off < 0.3 * (view - seen(THERE)).square().mean()


def test_who_may_be_anywhere_is_found(whereabouts):
    nowhere = torch.full((4,), torch.nan)
    units, degrees, _ = errors(whereabouts.pose(seen(THERE), nowhere), THERE)
    assert units < 1.5 and degrees < 1.5


def test_a_picture_of_another_place_is_nowhere(whereabouts):
    other = torch.rand(3, 16, 48)
    assert whereabouts.pose(other, THERE).isnan().all()
    states = whereabouts.found(torch.full((2, 8), torch.nan), torch.full((2, 8), torch.nan),
                               torch.stack([other, seen(THERE)]))  # fmt: skip
    assert states[0].isnan().any() and states[1].isfinite().all()


def test_who_walks_is_followed_and_his_next_picture_is_known(whereabouts):
    """The same picture by two roads: the room shows it, and the keys lead to where it is seen."""
    game, state, recent = Room(), torch.full((1, 8), torch.nan), torch.zeros(1, 3, 4)
    picture = game.reset(5)
    for i in range(6):
        shown = to_float(torch.as_tensor(picture[None]))
        state = whereabouts.found(state, whereabouts.onward(state, recent), shown)
        keys = torch.tensor([1.0, 0, i % 2, 0])
        picture = game.step(keys.numpy())
        recent = torch.cat([keys.view(1, 1, 4), recent[:, :-1]], dim=1)
    ahead = whereabouts.onward(state, recent)
    units, degrees, _ = errors(ahead[0, :4], torch.tensor([*game.pose, EYE]))
    assert units < 1 and degrees < 1
    view, moves = whereabouts.view(state, ahead)
    apart = view[0] - to_float(torch.as_tensor(picture[None]))[0]
    assert apart.square().mean() < 3e-3 and 0.5 < float(moves) < 8


def test_nobody_leaps_to_a_twin_that_looks_a_little_better(whereabouts, monkeypatch):
    here, twin = THERE.clone(), THERE + torch.tensor([50.0, 0, 90, 0])
    offs = {float(here[0]): 0.004, float(twin[0]): 0.003}
    monkeypatch.setattr(whereabouts, "places", lambda picture: [twin])
    monkeypatch.setattr(
        whereabouts, "nearer", lambda picture, pose, *how: (pose, offs[float(pose[0])])
    )
    assert torch.equal(whereabouts.pose(seen(THERE), here), here)
    offs[float(twin[0])] = 0.001
    assert torch.equal(whereabouts.pose(seen(THERE), here), twin)


def test_where_nobody_is_known_to_stand_all_is_grey(whereabouts):
    states = torch.full((2, 8), torch.nan)
    states[1] = torch.tensor([60.0, 50, 0, EYE, 0, 0, 0, 1])
    views, moves = whereabouts.view(states, states)
    assert (views[0] == 0.5).all() and moves.tolist() == [torch.inf, 0]
    truth = torch.as_tensor(pixels(60, 50, 0, EYE)).movedim(-1, 0) / 255
    assert (views[1] - truth).square().mean() < 3e-3

"""Sticky keys are held, idlers only turn."""

from itertools import groupby

import numpy as np
import pytest

from worldmodel.errors import UserError
from worldmodel.games.catalogue import PLAYERS, make_player

WALKERS = sorted(
    set(PLAYERS) - {"runner", "careless"}
)  # who ask for a platformer (test_procgen.py)


def play(name, game, seed, steps=400):
    player = make_player(name)
    player.reset(seed)
    controls = []
    for _ in range(steps):
        controls.append(player.act(game))
        game.step(controls[-1])
    return np.stack(controls)


@pytest.mark.parametrize("name", WALKERS)
def test_a_player_is_a_function_of_its_seed_and_the_game(name, two_rooms):
    start = two_rooms.pose
    first = play(name, two_rooms, seed=5, steps=200)
    two_rooms.pose = start
    np.testing.assert_array_equal(play(name, two_rooms, seed=5, steps=200), first)
    two_rooms.pose = start
    assert (play(name, two_rooms, seed=6, steps=200) != first).any()


@pytest.mark.parametrize("name", WALKERS)
def test_no_player_presses_opposite_buttons(name, two_rooms):
    controls = play(name, two_rooms, seed=1)
    for a, b in two_rooms.controls.opposites:
        both = two_rooms.controls.vector([a, b]).astype(bool)
        assert not controls[:, both].all(1).any()


def test_sticky_keys_are_held_two_steps_or_more(two_rooms):
    controls = play("sticky", two_rooms, seed=1)
    lengths = [len(list(group)) for _, group in groupby(map(tuple, controls))]
    assert min(lengths[:-1]) >= 2
    assert (controls.mean(0) > 0.05).all() and (controls.sum(1) == 0).mean() > 0.03


def test_an_idler_stands_or_turns(two_rooms):
    start = two_rooms.pose[:2]
    controls = play("idle", two_rooms, seed=1)
    assert two_rooms.pose[:2] == start
    assert 0.3 < (controls.sum(1) == 0).mean() < 0.9


def test_an_unknown_player_is_refused():
    with pytest.raises(UserError, match="explorer, sticky, idle"):
        make_player("genius")

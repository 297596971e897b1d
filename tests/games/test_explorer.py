"""The explorer sees every room, looks about, and holds its keys."""

from itertools import groupby

import numpy as np

from worldmodel.games.explorer import COMPASS, Explorer
from worldmodel.games.floorplan import Floorplan


def walk(game, seed, steps):
    player, poses, controls = Explorer(), [], []
    player.reset(seed)
    for _ in range(steps):
        controls.append(player.act(game))
        game.step(controls[-1])
        poses.append(game.pose)
    return np.array(poses), np.stack(controls)


def test_it_comes_to_nearly_every_place(two_rooms):
    plan = Floorplan(two_rooms.walls, two_rooms.items)
    poses, _ = walk(two_rooms, seed=0, steps=1500)
    seen = {plan.cell(pose[:2]) for pose in poses}
    assert len(seen) > 0.8 * plan.free.sum()


def test_it_rarely_pushes_against_a_wall(two_rooms):
    poses, controls = walk(two_rooms, seed=1, steps=1000)
    moving = controls[1:, :4].any(1)
    still = np.linalg.norm(np.diff(poses[:, :2], axis=0), axis=1) < 1
    assert (still & moving).mean() < 0.1


def test_it_uses_every_button_and_rests(two_rooms):
    _, controls = walk(two_rooms, seed=2, steps=2000)
    assert (controls.mean(0) > 0.05).all()
    assert (controls.sum(1) == 0).any()


def test_it_does_not_twitch(two_rooms):
    _, controls = walk(two_rooms, seed=3, steps=1000)
    lengths = [len(list(group)) for _, group in groupby(map(tuple, controls[:, :4]))]
    assert np.mean(lengths) > 5


def test_the_compass_goes_round_counter_clockwise():
    assert len(COMPASS) == 8
    assert COMPASS[0] == ("forward",)
    assert COMPASS[2] == ("strafe_left",)
    assert COMPASS[6] == ("strafe_right",)

"""Doom behind the Game interface: deterministic, aligned, ending only when it says so."""

import sys

import numpy as np
import pytest
import torch

from worldmodel.errors import UserError
from worldmodel.games.catalogue import open_game
from worldmodel.games.floorplan import Floorplan
from worldmodel.games.vizdoom import CONTROLS, VizDoom, render_width
from worldmodel.model.camera import Camera, CameraConfig

SEED = 5


@pytest.fixture(scope="module")
def doom():
    with open_game("vizdoom/my_way_home", (48, 64)) as game:
        yield game


def keys(count, seed=0):
    """Random buttons, each held for five steps."""
    picks = np.random.default_rng(seed).integers(0, 6, count // 5 + 1).repeat(5)[:count]
    return np.eye(6, dtype=np.float32)[picks]


def play(game, seed, controls):
    return np.stack([game.reset(seed), *(game.step(control) for control in controls)])


@pytest.mark.game
def test_the_same_seed_and_keys_give_the_same_frames(doom):
    with VizDoom(size=(48, 64)) as fresh:
        first_ever = play(fresh, SEED, keys(100))
    play(doom, SEED + 1, keys(30, seed=1))
    second = play(doom, SEED, keys(100))
    third = play(doom, SEED, keys(100))
    assert first_ever.tobytes() == second.tobytes() == third.tobytes()
    assert first_ever.shape == (101, 48, 64, 3) and first_ever.dtype == np.uint8
    assert (play(doom, SEED + 1, keys(100)) != second).any()


@pytest.mark.game
def test_the_frame_of_a_step_shows_its_control(doom):
    still = [CONTROLS.vector()] * 10
    turn = [*still[:5], CONTROLS.vector(["turn_left"]), *still[6:]]
    changed = [
        index
        for index, (a, b) in enumerate(
            zip(play(doom, SEED, turn), play(doom, SEED, still), strict=True)
        )
        if (a != b).any()
    ]
    assert changed[0] == 6  # frame 0 is the reset's, the sixth control produced frame 6


@pytest.mark.game
def test_left_is_counter_clockwise_and_forward_is_along_the_view(doom):
    doom.reset(SEED)
    before = doom.pose[2]
    for _ in range(4):
        doom.step(CONTROLS.vector(["turn_left"]))
    assert 5 < (doom.pose[2] - before) % 360 < 60
    x, y, angle = doom.pose
    doom.step(CONTROLS.vector(["forward"]))
    moved = np.array(doom.pose[:2]) - (x, y)
    assert moved @ (np.cos(np.radians(angle)), np.sin(np.radians(angle))) > 0


@pytest.mark.game
def test_the_eye_stands_between_floor_and_ceiling_and_bobs(doom):
    doom.reset(SEED)
    (floor, ceiling), _ = doom.heights[0], doom.lens
    assert np.unique(doom.heights, axis=0).shape == (1, 2)
    still = doom.eye
    eyes = [doom.step(CONTROLS.vector(["forward"])) is None or doom.eye for _ in range(12)]
    assert floor < min(eyes) < still < max(eyes) < ceiling


@pytest.mark.game
def test_the_lens_shows_walls_where_they_stand(doom):
    """The same edge by two roads: where a wall meets the floor, in the picture and on the map."""
    doom.reset(SEED)
    height, width = doom.size
    camera = Camera(
        CameraConfig(
            height=height, width=width, across=doom.lens[0] * width, down=doom.lens[1] * width
        )
    )  # fmt: skip
    found = []
    for _ in range(30):
        picture = doom.step(CONTROLS.vector(["turn_left"])).astype(float)
        pose = torch.tensor([[*doom.pose, doom.eye]])
        far = camera.walls(pose, torch.as_tensor(doom.walls))[0]
        foot = height / 2 + doom.eye / far * camera.config.down  # the wall's foot, in rows
        steps = np.abs(np.diff(picture.mean(2), axis=0))  # [h-1 w]
        for column in range(0, width, 4):
            row = round(float(foot[column])) - 1
            if 3 < row < height - 4:
                around = steps[row - 3 : row + 4, column]
                found.append(int(around.argmax()) - 3)
    assert len(found) > 100 and abs(np.median(found)) <= 1
    assert np.mean(np.abs(found) <= 1) > 0.5


@pytest.mark.game
def test_an_episode_outlives_the_scenarios_own_time_limit(doom):
    doom.reset(SEED)
    for _ in range(1100):  # the limit is 2,100 tics
        doom.step(CONTROLS.vector())
    assert not doom.done


@pytest.mark.game
def test_the_vest_ends_the_episode(doom):
    plan = Floorplan(doom.walls, doom.items, berth=0)
    distance = plan.distances(plan.cell(doom.items[0]))
    doom.reset(SEED)
    for _ in range(500):
        x, y, view = doom.pose
        goal = plan.centre(plan.waypoint(plan.cell(np.array([x, y])), distance, 4)) - (x, y)
        error = (np.degrees(np.arctan2(goal[1], goal[0])) - view + 180) % 360 - 180
        turn = () if abs(error) < 8 else (("turn_left",) if error > 0 else ("turn_right",))
        ahead = ("forward",) if abs(error) < 30 else ()
        last = doom.step(CONTROLS.vector(turn + ahead))
        if doom.done:
            break
    assert doom.done and last.shape == (48, 64, 3)
    with pytest.raises(ValueError, match="reset"):
        doom.step(CONTROLS.vector())
    doom.reset(SEED)
    assert not doom.done


@pytest.mark.parametrize(
    ("size", "width"), [((96, 128), 512), ((192, 256), 512), ((240, 320), 640), ((144, 192), 512)]
)
def test_frames_are_rendered_at_a_multiple_where_there_is_one(size, width):
    assert render_width(size) == width


@pytest.mark.parametrize("size", [(128, 128), (3, 4000), (3000, 4000)])
def test_a_size_that_doom_cannot_draw_is_refused(size):
    with pytest.raises(UserError, match="4:3"):
        render_width(size)


@pytest.mark.parametrize("name", ["chess", "vizdoom/", "vizdoom/e1m1"])
def test_an_unknown_game_is_refused(name):
    with pytest.raises(UserError, match="my_way_home"):
        open_game(name)


def test_a_missing_engine_is_said_in_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "vizdoom", None)
    with pytest.raises(UserError, match=r'pip install "worldmodel\[train\]"'):
        VizDoom()

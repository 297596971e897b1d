"""Scenes from pictures and from folders."""

import numpy as np
import pytest
from playing import SIZE, SPACE, write_scene

from worldmodel.errors import UserError
from worldmodel.games.base import ControlSpace
from worldmodel.play.scene import fit, load_scenes, scene_from_picture


def test_the_middle_of_a_wide_picture_is_kept():
    picture = np.zeros((30, 300, 3), np.uint8)
    picture[:, :110] = (255, 0, 0)
    picture[:, 110:190] = (0, 255, 0)  # the middle third holds nothing else but a little red
    assert (fit(picture, (30, 60))[..., 1] == 255).all()


def test_the_middle_of_a_high_picture_is_kept():
    picture = np.zeros((300, 30, 3), np.uint8)
    picture[100:200] = 255
    assert (fit(picture, (10, 20)) == 255).all()


def test_a_fine_pattern_becomes_grey_instead_of_stripes():
    picture = np.zeros((240, 320, 3), np.uint8)
    picture[:, ::2] = 255
    inner = fit(picture, (24, 32))[:, 2:-2].astype(int)
    assert np.abs(inner - 127).max() < 12


def test_a_picture_of_the_right_size_is_kept_as_it_is():
    picture = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    scene = scene_from_picture(picture, SIZE, 6)
    assert np.array_equal(scene.frames[-1], picture)
    assert len(scene.frames) == len(scene.controls) and not scene.controls.any()


def test_a_world_starts_from_a_picture(engine):
    picture = np.full((50, 70, 3), 90, np.uint8)
    frame = engine.reset(engine.scene_from_picture(picture), seed=1)
    assert frame.shape == (*engine.size, 3)
    assert engine.step(np.zeros(6, np.float32)).shape == frame.shape


@pytest.mark.parametrize(
    "picture",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3)), "a.png",
     np.zeros((0, 4, 3), np.uint8)],
)  # fmt: skip
def test_what_is_no_picture_is_refused_in_a_sentence(picture):
    with pytest.raises(UserError, match=r"must be uint8 \[height width 3\], found"):
        scene_from_picture(picture, SIZE, 6)


def test_scenes_come_in_the_order_of_their_names(tmp_path):
    for name in ("b", "a_room"):
        write_scene(tmp_path / name, 2)
    (tmp_path / ".partial").mkdir()
    scenes = load_scenes(tmp_path, SIZE, SPACE)
    assert [(s.name, s.title) for s in scenes] == [("a_room", "A room"), ("b", "B")]
    assert load_scenes(tmp_path / "none", SIZE, SPACE) == ()


def test_a_scene_with_other_buttons_is_refused(tmp_path):
    write_scene(tmp_path / "a", 2, space=ControlSpace(buttons=("jump",)))
    with pytest.raises(UserError, match="has the controls"):
        load_scenes(tmp_path, SIZE, SPACE)

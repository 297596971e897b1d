"""What is recorded is what is read; what is damaged is refused in one sentence."""

import json
from itertools import pairwise

import numpy as np
import pytest
from painter import META, SPACE, paint, read, some_controls, write

from worldmodel.data.episode import EpisodeWriter, load_episode
from worldmodel.data.meta import ALIGNMENT
from worldmodel.errors import UserError
from worldmodel.games.base import ControlSpace


@pytest.fixture
def episode(tmp_path):
    """The folder of an episode of 20 painted frames."""
    return write(tmp_path / "episode", some_controls(20))


def smooth_film(count, height, width):
    """uint8 [t h w 3]: coloured waves that drift."""
    t, y, x, c = np.ogrid[:count, :height, :width, :3]
    wave = np.sin(x / 7 + t / 3 + c) + np.cos(y / 5 - t / 4 + 2 * c)
    return (127 + 60 * wave).astype(np.uint8)


def test_controls_come_back_exactly_and_frames_nearly(tmp_path):
    frames = smooth_film(40, 48, 64)
    controls = some_controls(40)
    meta = type(META)(**{**vars(META), "size": (48, 64)})
    with EpisodeWriter(tmp_path / "e", meta) as writer:
        for frame, control in zip(frames, controls, strict=True):
            writer.append(frame, control)
    episode = load_episode(tmp_path / "e")
    np.testing.assert_array_equal(episode.controls, controls)
    assert episode.meta == meta
    error = np.mean((episode.frames.astype(float) - frames) ** 2)
    assert 10 * np.log10(255**2 / error) > 36


def test_every_frame_shows_the_control_that_is_stored_with_it(episode):
    loaded = load_episode(episode)
    np.testing.assert_array_equal(read(loaded.frames), loaded.controls)
    assert not loaded.controls[0].any() and loaded.controls.any()


def test_the_files_say_what_design_promises(episode):
    meta = json.loads((episode / "meta.json").read_text())
    assert meta["alignment"] == ALIGNMENT == "action[k] produced frame[k]"
    lines = [json.loads(line) for line in (episode / "actions.jsonl").read_text().splitlines()]
    assert [line["tick"] for line in lines] == list(range(20))
    assert lines[7]["milli"] == 400.0
    assert set(lines[0]["mouse"]) == {"dx", "dy", "buttons"}
    held = [set(line["keyboard"]["keys"]) for line in lines]
    new = [set(line["keyboard"]["newKeys"]) for line in lines]
    assert new[1:] == [now - before for before, now in pairwise(held)]


def test_keys_keep_the_order_in_which_they_were_pressed(tmp_path):
    with EpisodeWriter(tmp_path / "e", META) as writer:
        writer.append(paint(np.zeros(6)), SPACE.vector())
        for keys in (("KeyA", "KeyD"), ("KeyD", "KeyA")):
            control = SPACE.from_keys(keys)
            writer.append(paint(control), control, keys)
    loaded = load_episode(tmp_path / "e")
    assert loaded.keys == [(), ("KeyA", "KeyD"), ("KeyD", "KeyA")]
    assert [SPACE.pressed(c) for c in loaded.controls] == [(), ("right",), ("left",)]


def test_mouse_axes_come_back_exactly(tmp_path):
    space = ControlSpace(buttons=("jump",), axes=("look_x", "look_y"), keymap={"Space": "jump"})
    control = space.vector(["jump"], {"look_x": 0.1, "look_y": -33.3})
    with EpisodeWriter(tmp_path / "e", type(META)(**{**vars(META), "controls": space})) as writer:
        writer.append(paint(np.zeros(6)), control)
    np.testing.assert_array_equal(load_episode(tmp_path / "e").controls[0], control)


def test_what_does_not_agree_is_not_recorded(tmp_path):
    with EpisodeWriter(tmp_path / "e", META) as writer:
        writer.append(paint(np.zeros(6)), SPACE.vector())
        with pytest.raises(ValueError, match="do not press"):
            writer.append(paint(np.zeros(6)), SPACE.vector(["left"]), ("KeyD",))
        with pytest.raises(ValueError, match="uint8"):
            writer.append(np.zeros((16, 47, 3), np.uint8), SPACE.vector())


def test_an_interrupted_recording_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), EpisodeWriter(tmp_path / "e", META) as writer:
        writer.append(paint(np.zeros(6)), SPACE.vector())
        assert not (tmp_path / "e").exists()
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_an_episode_is_never_overwritten(episode):
    with pytest.raises(UserError, match="exists already"):
        EpisodeWriter(episode, META)


def cut(path, keep):
    path.write_bytes(path.read_bytes()[:keep])


def edit_meta(**changes):
    def damage(folder):
        path = folder / "meta.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return damage


def edit_line(number, text):
    def damage(folder):
        path = folder / "actions.jsonl"
        lines = path.read_text().splitlines()
        lines[number - 1] = text
        path.write_text("\n".join(lines))

    return damage


DAMAGE = {
    "video cut in half": (lambda f: cut(f / "video.mp4", 900), "video.mp4"),
    "video empty": (lambda f: cut(f / "video.mp4", 0), "video.mp4"),
    "video missing": (lambda f: (f / "video.mp4").unlink(), "video.mp4"),
    "frames miscounted": (edit_meta(frames=21), "actions.jsonl.*21.*20"),
    "frames wrong": (edit_meta(frames="many"), "meta.json"),
    "size wrong": (edit_meta(size=[16, 32]), "video.mp4.*32x16.*48x16"),
    "other schema": (edit_meta(schema=99), "meta.json.*99"),
    "other alignment": (edit_meta(alignment="frame first"), "meta.json.*frame first"),
    "controls gone": (edit_meta(controls={}), "meta.json"),
    "meta is no JSON": (lambda f: cut(f / "meta.json", 30), "meta.json"),
    "meta is a list": (lambda f: (f / "meta.json").write_text("[]"), "meta.json"),
    "meta missing": (lambda f: (f / "meta.json").unlink(), "meta.json is missing"),
    "actions missing": (lambda f: (f / "actions.jsonl").unlink(), "actions.jsonl"),
    "actions are bytes": (lambda f: (f / "actions.jsonl").write_bytes(b"\xff\xfe"), "actions"),
    "half a line": (lambda f: cut(f / "actions.jsonl", 2150), "actions.jsonl"),
    "line is half": (edit_line(7, '{"tick": 6, "keyb'), "actions.jsonl line 7"),
    "line lacks keys": (edit_line(7, '{"tick": 6}'), "actions.jsonl line 7"),
    "line repeated": (
        edit_line(7, '{"tick": 5, "keyboard": {"keys": []}, "mouse": {}}'),
        "actions.jsonl line 7",
    ),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_episode_is_refused_with_the_files_name(episode, name):
    damage, says = DAMAGE[name]
    damage(episode)
    with pytest.raises(UserError, match=says) as error:
        load_episode(episode)
    assert "\n" not in str(error.value).strip()


def test_a_video_with_fewer_frames_than_actions_is_refused(tmp_path, episode):
    shorter = write(tmp_path / "shorter", some_controls(19))
    (shorter / "video.mp4").replace(episode / "video.mp4")
    with pytest.raises(UserError, match=r"video.mp4.*20 frames.*19"):
        load_episode(episode)

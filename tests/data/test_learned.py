"""Every key that is seen becomes a button, in all episodes of a data set."""

from dataclasses import replace

import numpy as np
from painter import META, paint, write

from worldmodel.data.episode import load_episode
from worldmodel.data.learned import is_learned, learned, unite
from worldmodel.data.live import LiveEpisodeWriter


def record(folder, *keys):
    """One frame for each key, which is learned when it comes."""
    writer = LiveEpisodeWriter(folder, replace(META, controls=learned(())))
    writer.append(paint(np.zeros(6)), np.zeros(0, np.float32))
    for i, key in enumerate(keys, 1):
        space = learned(keys[:i])
        writer.learn(space)
        writer.append(paint(np.zeros(6)), space.from_keys([key]), [key])
    writer.note({"recorder": "test"})
    writer.close()


def test_a_button_is_named_like_its_key():
    space = learned(["KeyW", "KeyA", "KeyW"], ("look_x",))
    assert space.buttons == ("KeyA", "KeyW") and space.axes == ("look_x",)
    assert is_learned(space) and is_learned(learned(())) and not is_learned(META.controls)


def test_keys_may_be_learned_while_recording(tmp_path):
    record(tmp_path / "train" / "a", "KeyW", "Space", "KeyA")
    episode = load_episode(tmp_path / "train" / "a")
    assert episode.meta.controls.buttons == ("KeyA", "KeyW", "Space")
    assert episode.keys == [(), ("KeyW",), ("Space",), ("KeyA",)]
    np.testing.assert_array_equal(episode.controls.argmax(1)[1:], [1, 2, 0])


def test_episodes_get_the_keys_of_all(tmp_path):
    record(tmp_path / "train" / "a", "KeyW")
    record(tmp_path / "heldout" / "b", "KeyA", "Space")
    named = write(tmp_path / "train" / "c", np.zeros((2, 6), np.float32))
    assert unite(tmp_path) == 2
    a, b = (load_episode(tmp_path / name) for name in ("train/a", "heldout/b"))
    assert a.meta == b.meta and a.meta.controls.buttons == ("KeyA", "KeyW", "Space")
    assert a.keys == [(), ("KeyW",)] and a.controls.tolist() == [[0, 0, 0], [0, 1, 0]]
    assert load_episode(named).meta == META
    assert unite(tmp_path) == 0

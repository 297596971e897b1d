"""Frames in, episodes out."""

import json
from dataclasses import replace

import numpy as np
import pytest
from painter import META, SPACE, paint, read

from worldmodel.data.episode import load_episode
from worldmodel.data.learned import learned
from worldmodel.data.live import repair
from worldmodel.errors import UserError
from worldmodel.record.log import Held
from worldmodel.record.shelf import Shelf
from worldmodel.record.takes import Takes

FPS = META.fps
NONE = ()


def takes(folder, meta=META, **settings):
    names = iter(f"e{i:02d}" for i in range(99))
    return Takes(Shelf(folder, "train", clock=lambda: next(names)), meta, **settings)


def feed(takes, script, start=0, missed=0):
    """A frame for each entry of keys, painted as the keys say."""
    for i, keys in enumerate(script, start):
        takes.add(paint(SPACE.from_keys(keys)), Held(keys=keys), i / FPS, missed)


def episodes(folder):
    return [load_episode(path) for path in sorted(folder.glob("train/*"))]


def test_frames_show_the_keys_that_are_stored_with_them(tmp_path):
    recorder = takes(tmp_path)
    feed(recorder, [NONE, ("KeyW",), ("KeyW", "KeyA"), NONE])
    assert recorder.name == "train/e00"
    recorder.cut()
    (episode,) = episodes(tmp_path)
    np.testing.assert_array_equal(read(episode.frames), episode.controls)
    assert episode.keys == [NONE, ("KeyW",), ("KeyW", "KeyA"), NONE]
    assert (recorder.episodes, recorder.frames, recorder.name) == (1, 4, "")


def test_the_first_frame_has_no_action(tmp_path):
    recorder = takes(tmp_path)
    feed(recorder, [("KeyW",), ("KeyW",)])
    recorder.cut()
    assert episodes(tmp_path)[0].keys == [NONE, ("KeyW",)]


def test_a_cut_separates_and_a_single_frame_is_no_episode(tmp_path):
    recorder = takes(tmp_path)
    for start in (0, 10, 20):
        feed(recorder, [NONE] * (1 if start == 10 else 3), start)
        recorder.cut()
    assert [len(e.frames) for e in episodes(tmp_path)] == [3, 3]


def test_long_recordings_become_several_episodes(tmp_path):
    recorder = takes(tmp_path, longest=4 / FPS)
    feed(recorder, [("KeyW",)] * 10)
    recorder.cut()
    assert [len(e.frames) for e in episodes(tmp_path)] == [4, 4, 2]
    assert all(e.keys[0] == NONE for e in episodes(tmp_path))


def test_few_missed_frames_show_in_the_times_and_many_end_the_episode(tmp_path):
    recorder = takes(tmp_path)
    feed(recorder, [NONE] * 3)
    feed(recorder, [NONE], start=5, missed=2)
    feed(recorder, [NONE], start=30, missed=24)
    feed(recorder, [NONE], start=31)
    recorder.cut()
    assert [len(e.frames) for e in episodes(tmp_path)] == [4, 2]
    folder = sorted(tmp_path.glob("train/*"))[0]
    lines = (folder / "actions.jsonl").read_text().splitlines()
    assert json.loads(lines[3])["milli"] == pytest.approx(5000 / FPS, abs=0.001)
    assert json.loads((folder / "recording.json").read_text())["missed_frames"] == 2


def test_idle_stretches_are_left_out(tmp_path):
    """Two frames of idling stay; the next episode begins with the frame before the key."""
    recorder = takes(tmp_path, skip_idle=2 / FPS)
    script = [NONE, ("KeyW",), ("KeyW",), *[NONE] * 9, ("KeyA",), ("KeyA",)]
    for i, keys in enumerate(script):
        frame = np.full((16, 48, 3), i * 16, np.uint8)
        recorder.add(frame, Held(keys=keys), i / FPS)
        assert recorder.idle == (5 <= i <= 11)
    recorder.cut()
    first, second = episodes(tmp_path)
    assert first.keys == [NONE, ("KeyW",), ("KeyW",), NONE, NONE]
    assert second.keys == [NONE, ("KeyA",), ("KeyA",)]
    seen = (second.frames.mean((1, 2, 3)) / 16).round()
    assert seen.tolist() == [11, 12, 13]


def test_idling_from_the_start_waits_for_the_first_key(tmp_path):
    recorder = takes(tmp_path, skip_idle=0.0)
    feed(recorder, [*[NONE] * 5, ("KeyW",)])
    recorder.cut()
    assert [e.keys for e in episodes(tmp_path)][-1] == [NONE, ("KeyW",)]


def test_keys_without_a_button_are_not_recorded(tmp_path):
    recorder = takes(tmp_path)
    feed(recorder, [NONE, ("KeyP", "KeyW", "KeyZ")])
    recorder.cut()
    assert "KeyP" not in next(tmp_path.glob("train/*/actions.jsonl")).read_text()
    assert episodes(tmp_path)[0].keys[1] == ("KeyW",)


def test_learned_controls_get_a_button_for_every_key(tmp_path):
    recorder = takes(tmp_path, replace(META, controls=learned((), ("look_x", "look_y"))))
    blank = np.zeros((16, 48, 3), np.uint8)
    for i, held in enumerate(
        (Held(), Held(keys=("KeyW",), dx=2.5), Held(keys=("KeyA", "MetaLeft")))
    ):
        recorder.add(blank, held, i / FPS)
    recorder.cut()
    (episode,) = episodes(tmp_path)
    assert episode.meta.controls.buttons == ("KeyA", "KeyW")
    assert episode.controls.tolist() == [[0, 0, 0, 0], [0, 1, 2.5, 0], [1, 0, 0, 0]]


def test_dropping_throws_away_only_this_episode(tmp_path):
    recorder = takes(tmp_path)
    feed(recorder, [NONE] * 3)
    recorder.cut()
    feed(recorder, [NONE] * 5, 10)
    recorder.drop()
    assert len(episodes(tmp_path)) == 1 and recorder.frames == 3
    assert len(list((tmp_path / "train").iterdir())) == 1


def test_an_abandoned_episode_is_repaired(tmp_path):
    recorder = takes(tmp_path)
    feed(recorder, [NONE] * 9)
    recorder.abandon()
    assert list(tmp_path.glob("train/[!.]*")) == []
    ((_, frames),) = repair(tmp_path)
    assert frames >= 7


def test_a_game_keeps_its_split_and_seed(tmp_path):
    recorder = takes(tmp_path, longest=3 / FPS)
    recorder.begin("heldout", 5)
    feed(recorder, [NONE] * 6)
    recorder.cut()
    found = [load_episode(path).meta.seed for path in tmp_path.glob("heldout/*")]
    assert found == [5, 5]


@pytest.mark.parametrize("settings", [{"longest": 0.01}, {"skip_idle": -1.0}])
def test_impossible_times_are_a_sentence(tmp_path, settings):
    with pytest.raises(UserError, match="an episode needs 2 frames"):
        takes(tmp_path, **settings)

"""Every episode's frames and controls end up in the arrays, once."""

import json

import numpy as np
import pytest
from painter import read, some_controls, write

from worldmodel.data.clips import FrameStore
from worldmodel.data.episode import load_episode
from worldmodel.data.prepare import motion, prepare
from worldmodel.data.report import button_shares, describe
from worldmodel.errors import UserError


@pytest.fixture
def data(tmp_path):
    for index, length in enumerate((20, 31, 25)):
        split = "heldout" if index == 2 else "train"
        write(tmp_path / split / f"{index:06d}", some_controls(length, index), seed=index)
    return tmp_path


def test_the_arrays_hold_the_episodes_one_after_another(data):
    store = FrameStore(prepare(data, workers=1) / "train")
    assert [(e.start, e.stop, e.seed) for e in store.episodes] == [(0, 20, 0), (20, 51, 1)]
    for span in store.episodes:
        episode = load_episode(data / "train" / span.name)
        rows = slice(span.start, span.stop)
        np.testing.assert_array_equal(store.frames[rows], episode.frames)
        np.testing.assert_array_equal(store.controls[rows], episode.controls)
        np.testing.assert_array_equal(store.motion[rows], motion(episode.frames))
    np.testing.assert_array_equal(read(np.asarray(store.frames)), store.controls)
    assert (store.fps, store.size, len(store)) == (17.5, (16, 48), 51)


def test_worker_processes_write_the_same_arrays(data, tmp_path):
    one = FrameStore(prepare(data, tmp_path / "one", workers=1) / "train")
    two = FrameStore(prepare(data, tmp_path / "two", workers=2) / "train")
    np.testing.assert_array_equal(one.frames, two.frames)
    np.testing.assert_array_equal(one.motion, two.motion)


def test_what_is_up_to_date_is_left_alone_and_what_grew_is_made_again(data):
    out = prepare(data, workers=1)
    stamps = {split: (out / split / "frames.npy").stat().st_mtime_ns for split in out_splits(out)}
    write(data / "train" / "000009", some_controls(5))
    prepare(data, workers=1)
    again = {split: (out / split / "frames.npy").stat().st_mtime_ns for split in out_splits(out)}
    assert again["heldout"] == stamps["heldout"] and again["train"] != stamps["train"]
    assert len(FrameStore(out / "train")) == 56
    assert out_splits(out) == ["heldout", "train"]


def out_splits(out):
    return sorted(path.name for path in out.iterdir())


def test_a_damaged_episode_stops_it_and_leaves_no_arrays(data):
    (data / "train" / "000001" / "video.mp4").write_bytes(b"nothing")
    with pytest.raises(UserError, match=r"000001/video.mp4"):
        prepare(data, workers=1)
    assert out_splits(data / "arrays") == []


def test_a_half_made_episode_is_no_episode(data):
    write(data / "train" / "000005", some_controls(5)).rename(data / "train" / ".000005.partial")
    assert len(FrameStore(prepare(data, workers=1) / "train")) == 51


def test_episodes_of_two_worlds_do_not_mix(data):
    write(data / "train" / "000005", some_controls(5), fps=30.0)
    with pytest.raises(UserError, match="one world"):
        prepare(data, workers=1)


def test_a_folder_without_episodes_is_refused(tmp_path):
    with pytest.raises(UserError, match="worldmodel collect"):
        prepare(tmp_path)


def test_motion_is_the_mean_change_and_zero_at_the_start():
    frames = np.zeros((3, 2, 2, 3), np.uint8)
    frames[1] = 200
    frames[2, 0] = 200
    assert motion(frames).tolist() == [0, 200, 100]


def test_the_report_counts_buttons_and_nothing(data):
    store = FrameStore(prepare(data, workers=1) / "train")
    shares = button_shares(store)
    assert shares["left"] == pytest.approx(np.mean(store.controls[:, 0]))
    assert shares["none"] == pytest.approx(np.mean(~np.asarray(store.controls).any(1)))
    assert "51 frames in 2 episodes" in describe(store)


@pytest.mark.parametrize("name", ["episodes.json", "frames.npy", "controls.npy", "motion.npy"])
def test_damaged_arrays_are_refused(data, name):
    out = prepare(data, workers=1) / "train"
    (out / name).write_bytes(b"{}")
    with pytest.raises(UserError, match=name):
        FrameStore(out)


def test_arrays_that_are_too_short_are_refused(data):
    out = prepare(data, workers=1) / "train"
    record = json.loads((out / "episodes.json").read_text())
    record["episodes"][-1]["stop"] += 1
    (out / "episodes.json").write_text(json.dumps(record))
    with pytest.raises(UserError, match=r"frames.npy.*52"):
        FrameStore(out)

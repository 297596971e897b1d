"""Every episode's frames and controls end up in the arrays, once."""

import json
import os

import numpy as np
import pytest
from painter import read, some_controls, write

from worldmodel.data.clips import FrameStore
from worldmodel.data.episode import load_episode
from worldmodel.data.prepare import prepare, verify
from worldmodel.data.report import button_shares, describe
from worldmodel.data.unpack import motion, unpack
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
    assert not (data / "arrays").exists()


def test_a_damaged_line_stops_it_with_file_and_line_and_leaves_no_arrays(data):
    path = data / "train" / "000001" / "actions.jsonl"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:7], lines[7][:9], *lines[8:]]) + "\n")
    with pytest.raises(UserError, match=r"000001/actions.jsonl line 8"):
        prepare(data, workers=1)
    assert out_splits(data / "arrays") == []


class Stopped:
    """Unpacks so many episodes, then the process is stopped."""

    def __init__(self, after):
        self.after, self.done = after, []

    def __call__(self, job):
        if len(self.done) == self.after:
            raise KeyboardInterrupt
        self.done.append(job.folder.name)
        return unpack(job)


def test_a_stopped_preparation_goes_on(data, tmp_path, monkeypatch):
    whole = FrameStore(prepare(data, tmp_path / "whole", workers=1) / "train")
    monkeypatch.setattr("worldmodel.data.prepare.unpack", Stopped(after=1))
    with pytest.raises(KeyboardInterrupt):
        prepare(data, workers=1)
    rest = Stopped(after=9)
    monkeypatch.setattr("worldmodel.data.prepare.unpack", rest)
    resumed = FrameStore(prepare(data, workers=1) / "train")
    assert rest.done == ["000001", "000002"]  # the second one of train, that of heldout
    np.testing.assert_array_equal(resumed.frames, whole.frames)
    assert resumed.record["sha256"] == whole.record["sha256"]
    assert not list((data / "arrays").glob(".*")) and verify(data / "arrays") == 3


def test_rows_that_were_damaged_while_it_was_stopped_are_made_again(data, monkeypatch):
    monkeypatch.setattr("worldmodel.data.prepare.unpack", Stopped(after=1))
    with pytest.raises(KeyboardInterrupt):
        prepare(data, workers=1)
    (partial,) = (data / "arrays").glob(".train*")
    np.load(partial / "frames.npy", mmap_mode="r+")[3] = 7
    rest = Stopped(after=9)
    monkeypatch.setattr("worldmodel.data.prepare.unpack", rest)
    prepare(data, workers=1)
    assert rest.done == ["000000", "000001", "000002"]


def test_changed_arrays_are_found_by_their_hashes(data):
    out = prepare(data, workers=1)
    assert verify(out) == 3
    np.load(out / "train" / "controls.npy", mmap_mode="r+")[25] += 1
    with pytest.raises(UserError, match=r"Rows 20 to 50.*episode 000001.*have changed"):
        verify(out)


def test_unknown_actions_are_nan_and_marked(data):
    write(data / "train" / "000009", some_controls(5), actions="unknown")
    store = FrameStore(prepare(data, workers=1) / "train")
    assert store.episodes[-1].actions == "unknown"
    assert np.isnan(store.controls[51:]).all() and not np.isnan(store.controls[:51]).any()


def test_arrays_larger_than_the_disk_are_refused_before_they_are_begun(data, monkeypatch):
    full = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("worldmodel.data.checks.shutil.disk_usage", lambda path: full)
    with pytest.raises(UserError, match=r"take 0\.0 GB, but 0\.0 GB are free"):
        prepare(data, workers=1)
    assert not (data / "arrays").exists()


def change_meta(folder, **changes):
    record = json.loads((folder / "meta.json").read_text())
    (folder / "meta.json").write_text(json.dumps({**record, **changes}))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"frames": 10**12}, r"video.mp4 should have 1000000000000 frames, but has 31"),
        ({"frames": 30}, r"video.mp4 should have 30 frames, but has 31"),
        ({"size": [100_000, 100_000]}, r"meta.json should state 1 or more frames of at most 4096"),
        ({"size": [32, 48]}, r"video.mp4 should have frames of 48x32, but has 48x16"),
        ({"frames": 0}, r"meta.json should state 1 or more frames"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_the_header_does_not_confirm_is_refused_undecoded(data, changes, sentence):
    change_meta(data / "train" / "000001", **changes)
    with pytest.raises(UserError, match=sentence):
        prepare(data, workers=1)
    assert not (data / "arrays").exists()


def test_names_that_cannot_be_printed_are_refused(data):
    (data / "train" / "000001").rename(data / "train" / "evil\x1b[2Jname")
    with pytest.raises(UserError, match=r"evil\\x1b\[2Jname.*rename it"):
        prepare(data, workers=1)


def test_what_is_no_file_is_not_waited_for(data):
    (data / "train" / "000001" / "video.mp4").unlink()
    os.mkfifo(data / "train" / "000001" / "video.mp4")
    with pytest.raises(UserError, match=r"video.mp4 is missing or no file"):
        prepare(data, workers=1)


def test_a_file_of_actions_that_is_too_large_is_not_read(data):
    with (data / "train" / "000001" / "actions.jsonl").open("r+b") as file:
        file.truncate(10**9)  # no block of it is on the disk
    with pytest.raises(UserError, match=r"actions.jsonl should have at most .* 1,000,000,000"):
        prepare(data, workers=1)


def test_episodes_are_not_replaced_by_their_arrays(data):
    with pytest.raises(UserError, match=r"train holds other things than arrays; name another"):
        prepare(data, data, workers=1)
    assert load_episode(data / "train" / "000000").frames.shape[0] == 20


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

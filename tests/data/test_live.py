"""A recorder that is killed loses at most its last second; the rest becomes an episode."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace

import av
import numpy as np
import pytest
from painter import META, SPACE, paint, read, some_controls, write

from worldmodel.data.atomic import remove_partials
from worldmodel.data.episode import load_episode
from worldmodel.data.live import LiveEpisodeWriter, finish, lock_of, recording_of, repair
from worldmodel.errors import UserError


def record(folder, controls, **changes):
    writer = LiveEpisodeWriter(folder, replace(META, **changes))
    for control in controls:
        writer.append(paint(control), control)
    return writer


@pytest.fixture
def controls():
    return some_controls(40)


@pytest.fixture
def left(tmp_path, controls):
    """What a recorder left that was killed after 40 frames."""
    record(tmp_path / "e", controls).abandon()
    return recording_of(tmp_path / "e")


def check(folder, controls, fewest):
    """The episode is whole, and its pictures and actions are the first of those recorded."""
    episode = load_episode(folder)
    count = len(episode.frames)
    assert fewest <= count <= len(controls)
    np.testing.assert_array_equal(episode.controls, controls[:count])
    np.testing.assert_array_equal(read(episode.frames), controls[:count])
    assert {path.name for path in folder.iterdir()} == {"video.mp4", "actions.jsonl", "meta.json"}


def test_it_makes_the_episode_that_the_plain_writer_makes(tmp_path, controls):
    plain = load_episode(write(tmp_path / "plain", controls))
    record(tmp_path / "live", controls).close()
    check(tmp_path / "live", controls, 40)
    live = load_episode(tmp_path / "live")
    assert (live.meta, live.keys) == (plain.meta, plain.keys)
    with av.open(str(tmp_path / "live" / "video.mp4")) as video:
        assert video.streams.video[0].frames == 40  # an ordinary file, not fragments


def test_what_is_appended_can_be_read_before_the_end(tmp_path, controls):
    writer = record(tmp_path / "e", controls)
    partial = recording_of(tmp_path / "e")
    assert len((partial / "actions.jsonl").read_text().splitlines()) == 40
    with av.open(str(partial / "video.mp4")) as video:
        assert sum(1 for _ in video.decode(video=0)) >= 38
    assert not (tmp_path / "e").exists()
    writer.close()
    assert not partial.exists()


RECORDER = """
import sys
from dataclasses import replace
from pathlib import Path
from painter import META, paint, some_controls
from worldmodel.data.live import LiveEpisodeWriter
writer = LiveEpisodeWriter(Path(sys.argv[1]), META)
for number, control in enumerate(some_controls(5000), 1):
    writer.append(paint(control), control)
    print(number, flush=True)
"""


@pytest.mark.parametrize("after", [2, 50])
def test_kill_9_loses_less_than_a_second(tmp_path, after):
    with subprocess.Popen(
        [sys.executable, "-c", RECORDER, str(tmp_path / "e")],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as process:
        for _ in range(after):
            process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)
        appended = after + len(process.stdout.read().split())
    ((folder, frames),) = repair(tmp_path)
    assert frames >= appended - 2  # of 17.5 in a second
    if frames:
        check(folder, some_controls(5000), appended - 2)


def test_repairing_twice_finds_nothing_the_second_time(tmp_path, left, controls):
    assert [folder for folder, _ in repair(tmp_path)] == [tmp_path / "e"]
    check(tmp_path / "e", controls, 38)
    assert list(repair(tmp_path)) == []


def test_a_repair_that_was_killed_is_repaired(tmp_path, left, controls):
    """Between each two of its steps."""
    (left / "whole.mp4").write_bytes(b"half a copy")
    list(repair(tmp_path))
    check(tmp_path / "e", controls, 38)
    record(tmp_path / "f", controls).abandon()
    partial = recording_of(tmp_path / "f")
    (tmp_path / "e" / "video.mp4").replace(partial / "video.mp4")  # the ordinary one
    list(repair(tmp_path))
    check(tmp_path / "f", controls, 38)


@pytest.mark.parametrize("keep", [0.3, 0.6, 0.95])
@pytest.mark.parametrize("name", ["video.mp4", "actions.jsonl"])
def test_a_torn_end_costs_what_is_torn(tmp_path, left, controls, name, keep):
    content = (left / name).read_bytes()
    (left / name).write_bytes(content[: int(keep * len(content))] + bytes(99))
    ((folder, _),) = repair(tmp_path)
    check(folder, controls, int(40 * keep) - 11)


def test_a_recording_that_goes_on_is_left_alone(tmp_path, controls):
    writer = record(tmp_path / "e", controls)
    assert list(repair(tmp_path)) == []
    writer.close()
    check(tmp_path / "e", controls, 40)


def test_nothing_recorded_leaves_nothing(tmp_path):
    LiveEpisodeWriter(tmp_path / "e", META).abandon()
    recording_of(tmp_path / "f").mkdir()
    assert [frames for _, frames in repair(tmp_path)] == [0, 0]
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_taken_meanwhile_is_kept(tmp_path, left, controls):
    write(tmp_path / "e", controls[:5])
    assert [folder.name for folder, _ in repair(tmp_path)] == ["e-2"]
    assert len(load_episode(tmp_path / "e").frames) == 5


def test_what_cannot_be_repaired_is_named_after_the_others_are(tmp_path, left, controls):
    record(tmp_path / "a", controls).abandon()
    (recording_of(tmp_path / "a") / "meta.json").write_text("{")
    with pytest.raises(UserError, match=r"\.a\.recording/meta\.json should be JSON"):
        list(repair(tmp_path))
    check(tmp_path / "e", controls, 38)


def test_collecting_into_the_same_folder_does_not_sweep_a_recording_away(tmp_path, left, controls):
    remove_partials(tmp_path)
    list(repair(tmp_path))
    check(tmp_path / "e", controls, 38)


def test_an_unfinished_recording_is_not_overwritten(tmp_path, left):
    with pytest.raises(UserError, match="worldmodel repair"):
        LiveEpisodeWriter(tmp_path / "e", META)


def test_discarding_leaves_nothing(tmp_path, controls):
    record(tmp_path / "e", controls).discard()
    assert list(tmp_path.iterdir()) == []


def test_an_error_in_the_block_keeps_what_was_recorded(tmp_path):
    with pytest.raises(KeyboardInterrupt), LiveEpisodeWriter(tmp_path / "e", META) as writer:
        writer.append(paint(np.zeros(6)), SPACE.vector())
        raise KeyboardInterrupt
    assert len(load_episode(tmp_path / "e").frames) == 1
    with pytest.raises(KeyError), LiveEpisodeWriter(tmp_path / "f", META):
        raise KeyError
    assert [path.name for path in tmp_path.iterdir()] == ["e"]


def test_true_times_and_notes_are_kept(tmp_path, controls):
    writer = LiveEpisodeWriter(tmp_path / "e", META)
    writer.note({"recorder": "test"})
    for control, at in zip(controls[:3], (0.0, 60.12345, 119.0), strict=True):
        writer.append(paint(control), control, milli=at)
    writer.sync()
    writer.close()
    lines = (tmp_path / "e" / "actions.jsonl").read_text().splitlines()
    assert [json.loads(line)["milli"] for line in lines] == [0.0, 60.123, 119.0]
    assert json.loads((tmp_path / "e" / "recording.json").read_text()) == {"recorder": "test"}


def test_the_lock_ends_with_its_holder(tmp_path, left):
    with lock_of(left):
        assert list(repair(tmp_path)) == []
    assert finish(left, tmp_path / "e") >= 38

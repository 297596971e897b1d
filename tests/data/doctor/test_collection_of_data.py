"""The doctor reads episodes and arrays alike, and names what is damaged."""

import json
import shutil

import numpy as np
import pytest
from painter import some_controls, write
from panorama import FPS, SIZE, SPACE, recordings, write_arrays

from worldmodel.data.doctor.collection import open_collection
from worldmodel.data.doctor.examine import examine
from worldmodel.data.doctor.rates import examine_rates
from worldmodel.data.doctor.sample import Sample, take_sample
from worldmodel.data.episode import EpisodeWriter
from worldmodel.data.meta import Meta
from worldmodel.data.prepare import prepare
from worldmodel.errors import UserError


@pytest.fixture
def data(tmp_path):
    for index, split in enumerate(("train", "train", "train", "heldout")):
        write(tmp_path / split / f"{index:06d}", some_controls(40, index), seed=index)
    return tmp_path


def named(folder):
    return {one.name: one for one in examine(folder).findings}


def test_episodes_and_the_arrays_made_of_them_look_the_same(data):
    arrays = open_collection(prepare(data, workers=1))
    episodes = open_collection(data)
    assert [str(p) for p in arrays.parts] == [str(p) for p in episodes.parts]
    for part, same in zip(episodes.parts, arrays.parts, strict=True):
        np.testing.assert_array_equal(episodes.controls(part), arrays.controls(same))
        np.testing.assert_array_equal(episodes.frames(part, 7, 20), arrays.frames(same, 7, 20))
    assert episodes.times(episodes.parts[0])[1] == pytest.approx(1000 / 17.5, abs=1e-3)


def test_a_single_episode_can_be_examined(data):
    assert len(open_collection(data / "train" / "000000").parts) == 1


def test_a_folder_without_data_is_refused(tmp_path):
    with pytest.raises(UserError, match="holds none"):
        open_collection(tmp_path)


def test_damaged_episodes_are_named_and_the_others_examined(data):
    (data / "train" / "000001" / "video.mp4").write_bytes(b"nothing")
    lines = (data / "train" / "000002" / "actions.jsonl").read_text().splitlines()
    lines[4] = lines[4][:20]
    (data / "train" / "000002" / "actions.jsonl").write_text("\n".join(lines) + "\n")
    write(data / "train" / "000007", some_controls(20), fps=30.0)
    found = named(data)["episodes"]
    said = "\n".join(found.figures["damaged"])
    assert found.verdict == "wrong" and len(found.figures["damaged"]) == 3
    assert "000001/video.mp4" in said and "000002/actions.jsonl line 5" in said
    assert "000007 differs from most" in said


def test_nothing_readable_is_one_sentence(data):
    for video in data.glob("*/*/video.mp4"):
        video.write_bytes(b"nothing")
    with pytest.raises(UserError, match="no episode that can be read"):
        examine(data)


def test_a_seed_in_two_splits_is_found(data):
    path = data / "heldout" / "000003" / "meta.json"
    meta = json.loads(path.read_text())
    path.write_text(json.dumps({**meta, "seed": 1}))
    found = named(data)["episodes"]
    assert found.verdict == "wrong" and found.figures["seeds in two splits"] == [1]


def test_an_episode_kept_twice_is_found(data):
    shutil.copytree(data / "train" / "000000", data / "train" / "copy")
    assert "train/copy and train/000000" in named(data)["episodes"].figures["recorded twice"]


def test_the_same_keys_in_another_place_are_no_second_copy(tmp_path):
    """A view has short pieces, and a player often does the same few things."""
    episodes = recordings(count=3, length=60)
    episodes[1].controls[:] = episodes[0].controls
    write_arrays(tmp_path / "train", episodes)
    assert named(tmp_path)["episodes"].figures["recorded twice"] == []


def test_unknown_actions_are_said_and_pictures_examined(tmp_path):
    write_arrays(tmp_path / "train", recordings(count=3, length=60), actions="unknown")
    found = named(tmp_path)
    assert found["keys"].sentence == "The actions are not known."
    assert found["alignment"].verdict == "cannot tell"
    assert found["episodes"].figures["unlabelled"] == 3


def test_a_sample_is_spread_over_all_episodes(tmp_path):
    write_arrays(tmp_path / "train", recordings(count=10, length=30))
    collection = open_collection(tmp_path)
    part = take_sample(collection, frames=90, seconds=60)
    assert [s.part.name for s in part.stretches] == ["000000", "000004", "000009"]
    assert not part.whole and take_sample(collection, frames=9999, seconds=60).whole


def test_however_short_the_time_something_is_looked_at(tmp_path):
    write_arrays(tmp_path / "train", recordings(count=3, length=30))
    collection = open_collection(tmp_path)
    part = take_sample(collection, frames=90, seconds=1e-9)
    assert part.cut and len(part.stretches) == 1
    for numbers in ({"frames": 0, "seconds": 9}, {"frames": 9, "seconds": 0}):
        with pytest.raises(UserError, match="should be above 0"):
            take_sample(collection, **numbers)


def clock(times):
    return Sample(stretches=(), controls={}, times={0: times}, damaged=(), whole=True)


def test_dropped_frames_and_a_wrong_rate_are_found():
    even = np.arange(200) * 50.0
    assert examine_rates(clock(even), 20.0).verdict == "ok"
    gaps = np.delete(even, [20, 21, 90, 150])
    found = examine_rates(clock(gaps), 20.0)
    assert found.verdict == "wrong" and found.figures["dropped"] == pytest.approx(4 / 195)
    assert examine_rates(clock(even), 30.0).verdict == "wrong"
    assert "backwards 1 times" in examine_rates(clock(np.r_[even, 0.0]), 20.0).sentence


def test_impossible_controls_are_named(tmp_path):
    episodes = recordings(count=3, length=120)
    episodes[0].controls[5] = 1  # both turns at once
    episodes[1].controls[9, 0] = np.nan
    episodes[2].controls[:, 0] = 1
    write_arrays(tmp_path / "train", episodes)
    wrong = "\n".join(named(tmp_path)["keys"].figures["wrong"])
    assert "000000 holds turn_left and turn_right at once" in wrong
    assert "000001 has values that are not finite" in wrong
    assert "000002 holds forward nearly always" in wrong


def test_holds_are_counted(tmp_path):
    controls = np.zeros((60, 5), np.float32)
    controls[10:14, 0] = controls[30:40, 0] = controls[35:45, 1] = 1
    episode = recordings(count=1, length=60)[0]
    episode.controls = controls
    write_arrays(tmp_path / "train", [episode])
    figures = named(tmp_path)["keys"].figures
    forward = figures["buttons"]["forward"]
    assert (forward["presses"], forward["median hold"], forward["longest hold"]) == (2, 7, 10)
    assert figures["combinations"]["forward + turn_left"] == pytest.approx(5 / 60)
    assert figures["none"] == pytest.approx(41 / 60)


def test_an_axis_is_a_control_like_any_other(tmp_path):
    """A mouse that turns the view, recorded as an episode with video."""
    from panorama import view

    from worldmodel.games.base import ControlSpace

    space = ControlSpace(buttons=(), axes=("look_x",))
    for index in range(12):
        random = np.random.default_rng(index)
        meta = Meta(
            fps=FPS, size=SIZE, controls=space, game="mouse", seed=index, player="", licence=""
        )
        with EpisodeWriter(tmp_path / "train" / f"{index}", meta) as episode:
            x, looks = 0.0, random.normal(size=80) * (random.random(80) < 0.5)
            for look in looks:
                x += 2 * look
                episode.append(view(x, 20, 1.0), np.array([look], np.float32))
    found = named(tmp_path)
    assert found["alignment"].figures["best lag"] == 0
    assert found["dead keys"].verdict == "ok" and SPACE.axes == ()

"""LeRobotDataset v3 out and in again, and what lerobot's own files look like."""

import json

import av
import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from painter import META, SPACE, paint, read, some_controls, write

from worldmodel import cli
from worldmodel.data.episode import EpisodeWriter, load_episode
from worldmodel.data.exporters.joined import JoinedVideo
from worldmodel.data.exporters.lerobot import CAMERA, export_lerobot
from worldmodel.data.exporters.statistics import describe, merged
from worldmodel.data.importers.gameplay import import_gameplay
from worldmodel.data.importers.lerobot import _actions
from worldmodel.errors import UserError
from worldmodel.games.base import ControlSpace


def collection(folder):
    for index, length in enumerate((20, 31, 25)):
        split = "heldout" if index == 2 else "train"
        write(folder / split / f"{index:06d}", some_controls(length, index), seed=index)
    return folder


def back(exported, out, **settings):
    import_gameplay(exported, out, **{"size": (16, 48), "shortest": 2, **settings})
    return {f"{p.parent.name}/{p.name}": load_episode(p) for p in sorted(out.glob("*/*/"))}


def test_what_is_exported_comes_back(tmp_path):
    data = collection(tmp_path / "data")
    assert export_lerobot(data, tmp_path / "lerobot") == 3
    episodes = back(tmp_path / "lerobot", tmp_path / "out")
    assert list(episodes) == ["heldout/000002-000", "train/000000-000", "train/000001-000"]
    for name, episode in episodes.items():
        original = load_episode(data / name.removesuffix("-000"))
        np.testing.assert_array_equal(episode.controls, original.controls)
        np.testing.assert_array_equal(read(episode.frames), episode.controls)
        assert episode.meta.controls == SPACE and episode.meta.fps == original.meta.fps
        assert (episode.meta.game, episode.meta.player) == ("painter", "sticky")


def test_axes_come_back_exactly(tmp_path):
    space = ControlSpace(buttons=("jump",), axes=("look_x", "look_y"), keymap={"Space": "jump"})
    controls = np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32)
    controls[:, 0] = np.arange(12) % 2
    controls[0] = 0
    meta = type(META)(**{**vars(META), "controls": space})
    with EpisodeWriter(tmp_path / "data" / "one", meta) as writer:
        for control in controls:
            writer.append(paint(np.zeros(6)), control)
    export_lerobot(tmp_path / "data", tmp_path / "lerobot")
    (episode,) = back(tmp_path / "lerobot", tmp_path / "out", heldout=0.0).values()
    np.testing.assert_array_equal(episode.controls, controls)


def test_an_action_is_taken_on_the_frame_of_its_row(tmp_path):
    data = collection(tmp_path / "data")
    export_lerobot(data, tmp_path / "lerobot")
    rows = pyarrow.parquet.read_table(
        next((tmp_path / "lerobot" / "data").rglob("*.parquet"))
    ).to_pydict()
    first = load_episode(data / "train" / "000000").controls
    np.testing.assert_array_equal(rows["action"][:19], first[1:])
    assert not any(rows["action"][19])
    assert rows["timestamp"][:3] == pytest.approx([0, 1 / 17.5, 2 / 17.5])
    assert rows["episode_index"] == [0] * 20 + [1] * 31 + [2] * 25
    assert rows["index"] == list(range(76)) and rows["frame_index"][19:22] == [19, 0, 1]


def test_videos_are_joined_without_encoding_them_anew(tmp_path):
    data = collection(tmp_path / "data")
    export_lerobot(data, tmp_path / "lerobot")
    (video,) = (tmp_path / "lerobot" / "videos" / CAMERA).rglob("*.mp4")
    with av.open(str(video)) as container:
        joined = list(container.decode(video=0))
    folders = sorted(data.glob("*/*/"), key=lambda path: path.name)
    originals = np.concatenate([load_episode(folder).frames for folder in folders])
    assert [frame.time for frame in joined] == pytest.approx(
        [i / 17.5 for i in range(76)], abs=1e-3
    )
    np.testing.assert_array_equal([f.to_ndarray(format="rgb24") for f in joined], originals)


def test_a_full_file_is_followed_by_another(tmp_path, monkeypatch):
    data = collection(tmp_path / "data")
    monkeypatch.setattr("worldmodel.data.exporters.lerobot.LARGEST", 10)
    export_lerobot(data, tmp_path / "lerobot")
    assert len(list((tmp_path / "lerobot" / "videos").rglob("*.mp4"))) == 3
    for episode in back(tmp_path / "lerobot", tmp_path / "out").values():
        np.testing.assert_array_equal(read(episode.frames), episode.controls)


def test_videos_of_another_encoder_are_not_joined(tmp_path):
    write(tmp_path / "one", some_controls(4))
    write(tmp_path / "two", some_controls(4))
    with av.open(str(tmp_path / "two" / "video.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=20)
        stream.height, stream.width = 16, 48
        container.mux(stream.encode(av.VideoFrame(48, 16, "yuv420p")))
        container.mux(stream.encode())
    video = JoinedVideo(tmp_path / "joined.mp4")
    video.append(tmp_path / "one" / "video.mp4")
    assert not video.takes(tmp_path / "two" / "video.mp4")
    with pytest.raises(UserError, match="another way"):
        video.append(tmp_path / "two" / "video.mp4")
    video.close()


def test_figures_of_two_halves_are_those_of_the_whole():
    values = np.random.default_rng(0).normal(size=(60, 3))
    whole, halves = describe(values), merged([describe(values[:20]), describe(values[20:])])
    for name in ("min", "max", "mean", "std", "count"):
        np.testing.assert_allclose(halves[name], whole[name])


def test_unknown_actions_are_not_exported(tmp_path):
    data = collection(tmp_path / "data")
    write(data / "train" / "unknown", some_controls(9), actions="unknown")
    assert export_lerobot(data, tmp_path / "lerobot") == 3
    with pytest.raises(UserError, match="holds 0 episodes"):
        export_lerobot(tmp_path / "lerobot", tmp_path / "again")


def test_episodes_of_two_worlds_are_not_mixed(tmp_path):
    data = collection(tmp_path / "data")
    write(data / "train" / "other", some_controls(9), fps=30.0)
    with pytest.raises(UserError, match="one world at a time"):
        export_lerobot(data, tmp_path / "lerobot")
    assert not (tmp_path / "lerobot").exists()


def test_the_command_says_what_it_wrote(tmp_path, capsys):
    data = collection(tmp_path / "data")
    assert cli.main(["export", "lerobot", str(data), str(tmp_path / "lerobot")]) == 0
    assert "3 episodes as a LeRobotDataset v3" in capsys.readouterr().out
    assert cli.main(["export", "lerobot", str(data), str(tmp_path / "lerobot")]) == 2


@pytest.fixture
def foreign(tmp_path):
    """A data set as of somebody else: no file of ours, actions with names of their own."""
    export_lerobot(collection(tmp_path / "data"), tmp_path / "lerobot")
    (tmp_path / "lerobot" / "meta" / "worldmodel.json").unlink()
    return tmp_path / "lerobot"


def edit(dataset, **changes):
    path = dataset / "meta" / "info.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_actions_without_a_meaning_are_refused(foreign, tmp_path):
    with pytest.raises(UserError, match=r"'strafe_right'\], which are no keys; say in a --mapping"):
        back(foreign, tmp_path / "out")


def test_columns_of_a_mapping_give_actions_a_meaning(foreign, tmp_path):
    told = {"columns": {"2": "ahead", "right": "look_x"}, "buttons": {"KeyW": "ahead"}}
    (tmp_path / "mapping.json").write_text(json.dumps(told))
    episodes = back(foreign, tmp_path / "out", mapping=tmp_path / "mapping.json", heldout=0.0)
    episode = next(iter(episodes.values()))
    assert episode.meta.controls.keymap == {"KeyW": "ahead"}
    assert episode.meta.controls.axes == ("look_x",)
    shown = read(episode.frames)
    np.testing.assert_array_equal(episode.controls[1:], shown[1:, [2, 1]])


def test_actions_named_by_their_keys_need_no_mapping(foreign, tmp_path):
    info = json.loads((foreign / "meta" / "info.json").read_text())
    info["features"]["action"]["names"] = ["KeyA", "KeyD", "KeyW", "KeyS", "KeyQ", "KeyE"]
    edit(foreign, features=info["features"])
    episode = next(iter(back(foreign, tmp_path / "out", heldout=0.0).values()))
    np.testing.assert_array_equal(read(episode.frames), episode.controls)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"codebase_version": "v2.1"}, "should be of version v3.0, but is of 'v2.1'"),
        ({"features": {}}, r"has the cameras \[\]"),
        ({"features": 7}, "is not as lerobot writes it"),
        ({"fps": 0}, "is not as lerobot writes it"),
        ({"fps": "fast"}, "is not as lerobot writes it"),
    ],
)
def test_other_data_sets_are_refused(foreign, tmp_path, change, says):
    edit(foreign, **change)
    with pytest.raises(UserError, match=says):
        back(foreign, tmp_path / "out")


def damage(dataset, pattern, change):
    path = next(dataset.rglob(pattern))
    path.write_bytes(change(path.read_bytes()))


def test_damaged_tables_and_wrong_counts_are_named(tmp_path):
    export_lerobot(collection(tmp_path / "data"), tmp_path / "lerobot")
    table = next((tmp_path / "lerobot" / "data").rglob("*.parquet"))
    rows = pyarrow.parquet.read_table(table)
    pyarrow.parquet.write_table(rows.slice(0, 40), table)
    with pytest.raises(UserError, match=r"file-000.parquet should hold 31 finite actions"):
        back(tmp_path / "lerobot", tmp_path / "out")
    _actions.cache_clear()
    table.write_bytes(table.read_bytes()[:500])
    with pytest.raises(UserError, match=r"file-000.parquet should be parquet"):
        back(tmp_path / "lerobot", tmp_path / "again")
    assert not (tmp_path / "out").exists() and not (tmp_path / "again").exists()

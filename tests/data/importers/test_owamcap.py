"""OWAMcap: three real recordings that others made (samples/, from PyPI's owa-cli 0.6.6), and the
newest version built to its schema. In the real ones somebody types into an empty editor."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from filming import film, imported, key_changes, painted
from painter import read, some_controls

from worldmodel.data.importers.owamcap import read_log, recordings
from worldmodel.data.importers.resample import resample
from worldmodel.data.importers.settings import Settings
from worldmodel.errors import UserError

SAMPLES = Path(__file__).parent / "samples"
WORD = ("KeyT", "KeyE", "KeyS")
NS = 1_750_000_000_000_000_000


def sample(version):
    found = {r.name: r for r in recordings(SAMPLES, Settings())}
    return found[version]


@pytest.mark.parametrize(("version", "frames"), [("0.3.2", 49), ("0.4.2", 33), ("0.5.1", 17)])
def test_real_recordings_of_each_version_are_read_whole(version, frames):
    log = read_log(SAMPLES / f"{version}.mcap")
    assert len(log.shots) == frames
    records = list(sample(version).records())
    assert len(records) == frames
    times = np.array([record.time for record in records])
    assert (np.diff(times) > 0).all() and 2 < times[-1] - times[0] < 10
    typed = [key for event in log.events for key in event.down if key.startswith("Key")]
    assert typed[:4] == ["KeyT", "KeyE", "KeyS", "KeyT"]


@pytest.mark.parametrize("version", ["0.3.2", "0.4.2", "0.5.1"])
def test_in_a_real_recording_each_frame_shows_the_letters_whose_keys_it_has_had(version):
    """ "test" is typed: the text is as wide as the keys stored with the frames so far say."""
    letters, before, widths = 0, (), {}
    for record in sample(version).records():
        letters += len({key for key in record.keys if key in WORD} - set(before))
        before = record.keys
        if letters > 4:
            break
        ink = (record.picture()[88:112, 10:120] < 128).any((0, 2)).nonzero()[0]
        widths.setdefault(letters, []).append(int(ink.max(initial=0)))
    assert sorted(widths) == [0, 1, 2, 3, 4]
    for fewer, more in pairwise(sorted(widths)):
        assert max(widths[fewer]) < min(widths[more])


def test_a_real_recording_becomes_an_episode(tmp_path):
    folder = tmp_path / "owa"
    folder.mkdir()
    for ending in ("mcap", "mkv"):
        (folder / f"0.5.1.{ending}").write_bytes((SAMPLES / f"0.5.1.{ending}").read_bytes())
    (episode,) = imported(folder, tmp_path / "out", controls=None, fps=10, size=(64, 64))
    assert 20 < len(episode.frames) < 60 and episode.meta.game == "desktop"
    space = episode.meta.controls
    assert {"KeyT", "KeyE", "KeyS", "Space", "Mouse0"} <= set(space.buttons)
    assert space.axes == ("look_x", "look_y")
    assert episode.controls[:, space.buttons.index("KeyT")].any()


def write(folder, controls, media, extra=(), raw=True):
    """An .mcap with a screen message a frame and a key event before the frame that shows it."""
    from mcap.writer import Writer

    folder.mkdir()
    fps = 20
    film(folder / "a.mkv", painted(controls), times=[i / fps for i in range(len(controls))])
    with (folder / "a.mcap").open("wb") as file:
        writer = Writer(file)
        writer.start(profile="owa", library="test")
        channels = {}

        def message(seconds, topic, kind, content):
            if topic not in channels:
                schema = writer.register_schema(f"desktop/{kind}", "jsonschema", b"{}")
                channels[topic] = writer.register_channel(topic, "json", schema)
            time = NS + int(seconds * 1e9)
            writer.add_message(channels[topic], time, json.dumps(content).encode(), time)

        for index in range(len(controls)):
            at = {"utc_ns": NS + int(index / fps * 1e9), **media(int(index / fps * 1e9))}
            message(index / fps + 0.001, "screen", "ScreenCaptured", at)
        codes = {"KeyA": 65, "KeyD": 68, "KeyW": 87, "KeyS": 83, "KeyQ": 81, "KeyE": 69}
        for index, key, down in key_changes(controls):
            content = {"event_type": "press" if down else "release", "vk": codes[key]}
            message((index - 0.5) / fps, "keyboard", "KeyboardEvent", content)
        for seconds, topic, kind, content in extra:
            message(seconds, topic, kind, content)
        writer.finish()
    return folder


REFERENCES = {
    "0.3": lambda ns: {"path": "a.mkv", "pts": ns},
    "0.5": lambda ns: {"media_ref": {"uri": "a.mkv", "pts_ns": ns}},
    "absolute": lambda ns: {"media_ref": {"uri": "file://C:\\videos\\a.mkv", "pts_ns": ns}},
}


@pytest.mark.parametrize("version", REFERENCES)
def test_every_frame_shows_the_keys_that_are_stored_with_it(tmp_path, version):
    controls = some_controls(30)
    source = write(tmp_path / "owa", controls, REFERENCES[version])
    (episode,) = imported(source, tmp_path / "out", fps=20)
    np.testing.assert_array_equal(episode.controls, controls)
    np.testing.assert_array_equal(read(episode.frames), episode.controls)


def test_raw_mouse_events_come_before_the_cursors_place(tmp_path):
    raw = {"us_flags": 0, "button_data": 0}
    extra = [
        (0.11, "mouse", "MouseEvent", {"event_type": "move", "x": 1, "y": 1}),
        (0.12, "mouse", "MouseEvent", {"event_type": "move", "x": 9, "y": 9}),
        (0.13, "mouse/raw", "RawMouseEvent", {**raw, "last_x": 3, "last_y": -2, "button_flags": 1}),
        (0.23, "mouse/raw", "RawMouseEvent", {**raw, "last_x": 0, "last_y": 0, "button_flags": 2}),
        (0.24, "mouse/raw", "RawMouseEvent", {"us_flags": 1, "last_x": 900, "last_y": 900}),
    ]
    source = write(tmp_path / "owa", np.zeros((10, 6)), REFERENCES["0.5"], extra)
    (recording,) = recordings(source, Settings())
    steps = list(resample(recording.records(), fps=20, gap=1))
    assert [s.keys for s in steps[2:6]] == [(), ("Mouse0",), ("Mouse0",), ()]
    assert sum(s.axes.get("look_x", 0) for s in steps) == 3 == steps[3].axes["look_x"]


def test_a_screen_that_stands_still_is_no_gap(tmp_path):
    controls = some_controls(12)
    source = write(tmp_path / "owa", controls, REFERENCES["0.5"])
    (recording,) = recordings(source, Settings())
    assert recording.gap > 5


def test_a_snapshot_of_the_keyboard_releases_what_was_lost(tmp_path):
    extra = [
        (0.11, "keyboard", "KeyboardEvent", {"event_type": "press", "vk": 87}),
        (0.31, "keyboard/state", "KeyboardState", {"buttons": [179]}),
    ]
    source = write(tmp_path / "owa", np.zeros((10, 6)), REFERENCES["0.5"], extra)
    (recording,) = recordings(source, Settings())
    keys = [record.keys for record in recording.records()]
    assert keys == [()] * 3 + [("KeyW",)] * 4 + [()] * 3


def test_a_video_that_ends_early_is_named(tmp_path):
    source = write(tmp_path / "owa", some_controls(60), REFERENCES["0.5"])
    film(source / "a.mkv", painted(some_controls(20)), times=[i / 20 for i in range(20)])
    (recording,) = recordings(source, Settings())
    assert 20 <= len(list(recording.records())) <= 41
    assert "screen messages point behind the end" in recording.notes[0]


def damage(path, change):
    path.write_bytes(change(path.read_bytes()))


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d[: len(d) // 2],
        lambda d: b"",
        lambda d: b"x" * 200,
        lambda d: d[:-300] + b"\0" * 300,
    ],
    ids=["half", "empty", "noise", "no end"],
)
def test_a_damaged_file_is_refused_by_name(tmp_path, change):
    source = write(tmp_path / "owa", some_controls(10), REFERENCES["0.5"])
    damage(source / "a.mcap", change)
    with pytest.raises(UserError, match=r"a.mcap should be an OWAMcap but cannot be read"):
        recordings(source, Settings())


def test_messages_of_another_kind_are_refused(tmp_path):
    extra = [(0.1, "keyboard", "KeyboardEvent", {"event_type": "press"})]
    source = write(tmp_path / "owa", some_controls(4), REFERENCES["0.5"], extra)
    with pytest.raises(UserError, match=r"a.mcap .*cannot be read"):
        recordings(source, Settings())


def test_a_video_outside_the_folder_is_not_reached(tmp_path):
    film(tmp_path / "secret.mkv", painted(some_controls(4)))
    media = {"media_ref": {"uri": "../secret.mkv", "pts_ns": 0}}
    source = write(tmp_path / "owa", some_controls(4), lambda ns: media)
    with pytest.raises(UserError, match=r"needs '../secret.mkv' beside it"):
        recordings(source, Settings())

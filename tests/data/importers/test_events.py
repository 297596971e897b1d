"""Videos with a table of keys beside them, described by a mapping."""

import json

import numpy as np
import pytest
from filming import film, held, imported, key_changes, notes, painted
from painter import read, some_controls

from worldmodel.data.importers.mapping import Mapping
from worldmodel.errors import UserError

FPS = 20
CONTROLS = some_controls(30)


def source(tmp_path, table, text, **film_settings):
    folder = tmp_path / "clips"
    folder.mkdir(exist_ok=True)
    film(folder / "walk.mp4", painted(CONTROLS), **{"fps": FPS, **film_settings})
    (folder / table).write_text(text)
    return folder


def mapping(tmp_path, **fields):
    path = tmp_path / "mapping.json"
    path.write_text(json.dumps(fields))
    return path


def events(scale=1.0, offset=0.0):
    changes = [
        ((i - 0.5) / FPS * scale + offset, key, down) for i, key, down in key_changes(CONTROLS)
    ]
    lines = [f"{time},{key[3].lower()},{'down' if down else 'up'}" for time, key, down in changes]
    return "time,key,state\n" + "\n".join(lines) + "\n"


def held_rows(shift):
    rows = [CONTROLS[min(max(i + shift, 0), 29)] * (0 <= i + shift < 30) for i in range(30)]
    return "".join(json.dumps({"frame": i, "keys": held(row)}) + "\n" for i, row in enumerate(rows))


def same(episode):
    np.testing.assert_array_equal(read(episode.frames), episode.controls)
    np.testing.assert_array_equal(episode.controls, CONTROLS)


def test_events_on_the_videos_clock(tmp_path):
    (episode,) = imported(source(tmp_path, "walk.csv", events()), tmp_path / "out")
    same(episode)


def test_events_in_milliseconds_of_another_clock(tmp_path):
    folder = source(tmp_path, "walk.keys.csv", events(1000, 5000).replace("time,key", "t,name"))
    told = mapping(tmp_path, suffix=".keys.csv", unit="ms", time="t", key="name")
    (episode,) = imported(folder, tmp_path / "out", format="events", mapping=told, offset=-5.0)
    same(episode)


def test_events_against_a_variable_rate(tmp_path):
    """Frames come when they come; a key belongs to the first frame after it."""
    times = np.cumsum(np.random.default_rng(1).uniform(0.03, 0.07, 30)).round(3)
    changes = [(times[i] - 0.01, key, down) for i, key, down in key_changes(CONTROLS)]
    text = "".join(
        json.dumps({"time": t, "key": key, "state": int(down)}) + "\n" for t, key, down in changes
    )
    folder = source(tmp_path, "walk.jsonl", text, times=times)
    (episode,) = imported(folder, tmp_path / "out", format="events", fps=FPS)
    painted_keys, stored = read(episode.frames), episode.controls
    assert (stored[1:] >= painted_keys[1:])[:, 2:].all()  # nothing that is seen is missing
    assert (stored != painted_keys).mean() < 0.05  # taps between two shown frames


@pytest.mark.parametrize(("alignment", "shift"), [("before", 0), ("after", 1)])
def test_rows_that_name_frames(tmp_path, alignment, shift):
    folder = source(tmp_path, "walk.jsonl", held_rows(shift))
    told = mapping(tmp_path, kind="held", alignment=alignment)
    (episode,) = imported(folder, tmp_path / "out", format="events", mapping=told)
    same(episode)


def test_rows_that_name_times(tmp_path):
    rows = [f"{(i - 0.5) / FPS},{'+'.join(held(c))}" for i, c in enumerate(CONTROLS)]
    folder = source(tmp_path, "walk.csv", "time,keys\n" + "\n".join(rows))
    (episode,) = imported(folder, tmp_path / "out", mapping=mapping(tmp_path, kind="held"))
    same(episode)


def test_keys_get_names_and_buttons_from_the_mapping(tmp_path):
    text = "time,key,state,dx\n0.26,go,down,\n0.40,go,up,\n0.61,,,20\n"
    folder = source(tmp_path, "walk.csv", text)
    told = mapping(tmp_path, keys={"go": "KeyW"}, buttons={"KeyW": "ahead"}, scale=0.1)
    (episode,) = imported(folder, tmp_path / "out", controls=None, mapping=told)
    assert episode.meta.controls.keymap == {"KeyW": "ahead"}
    assert episode.meta.controls.axes == ("look_x",)
    assert episode.controls[:, 0].nonzero()[0].tolist() == [6, 7]
    assert episode.controls[13].tolist() == [0, 2]


def test_frames_without_a_row_are_counted(tmp_path):
    lines = held_rows(0).splitlines(keepends=True)
    folder = source(tmp_path, "walk.jsonl", "".join(lines[:-5]))
    told = mapping(tmp_path, kind="held", alignment="before")
    imported(folder, tmp_path / "out", format="events", mapping=told)
    assert "5 frames have no row in walk.jsonl" in notes(tmp_path / "out")


@pytest.mark.parametrize(
    ("text", "fields", "says"),
    [
        ("time,key,state\n0.1,w,down\n0.2,w\n", {}, "walk.csv line 3 .*3 columns, found 2"),
        ("time,key,state\n0.1,warp,down\n", {}, r"line 2 .*a key that is known, found 'warp'"),
        ("time,key,state\n0.1,w,maybe\n", {}, "line 2 .*found 'maybe'"),
        ("time,key,state\nsoon,w,down\n", {}, "line 2 .*a number as time"),
        ("time,key,state\nnan,w,down\n", {}, "line 2 .*a number as time"),
        ("when,key,state\n1,w,down\n", {}, "line 2 .*the column 'time'"),
        ("frame,keys\n1,w\n1,w\n", {"kind": "held"}, "line 3 .*no row before had"),
        ("frame,keys\n1,w\n99,w\n", {"kind": "held"}, "line 3 .*a frame that walk.mp4 has"),
        ('frame,keys\n1,"[""w"","\n', {"kind": "held"}, "line 2 .*a list of keys"),
    ],
)
def test_a_damaged_row_is_named(tmp_path, text, fields, says):
    folder = source(tmp_path, "walk.csv", text)
    with pytest.raises(UserError, match=says):
        imported(folder, tmp_path / "out", mapping=mapping(tmp_path, **fields))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"colour": 1}, r"unknown fields \['colour'\]"),
        ({"kind": "guess"}, "kind should be one of"),
        ({"unit": "hours"}, "unit should be one of"),
        ({"alignment": "maybe"}, "alignment should be one of"),
        ({"scale": "much"}, "scale should be a number"),
        ({"keys": ["w"]}, "keys should be an object"),
        ({"keys": {"w": "W"}}, "no W3C key codes"),
        ({"buttons": {"up": "forward"}}, "no W3C key codes"),
    ],
)
def test_a_mapping_that_cannot_be_meant_is_refused(tmp_path, fields, says):
    with pytest.raises(UserError, match=says):
        Mapping.read(mapping(tmp_path, **fields))


def test_a_mapping_that_is_no_json_is_refused(tmp_path):
    (tmp_path / "mapping.json").write_text("{")
    with pytest.raises(UserError, match=r"mapping.json should be JSON"):
        Mapping.read(tmp_path / "mapping.json")

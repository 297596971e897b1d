"""OWL Control's recordings, built to what its source writes (no recording of others can be had
here): events of the day's clock, unescaped quotes, marks, drift."""

import json

import numpy as np
import pytest
from filming import film, imported, key_changes, notes, painted
from painter import read, some_controls

from worldmodel.data.importers.owl import read_inputs
from worldmodel.errors import UserError

VK = {"KeyA": 0x41, "KeyD": 0x44, "KeyW": 0x57, "KeyS": 0x53, "KeyQ": 0x51, "KeyE": 0x45}
DAY = 1767000000.25  # the time of day at which the input recorder starts
VIDEO = DAY + 0.731  # and at which the video does
FPS = 60
HEADER = "timestamp,event_type,event_args"


def row(time, kind, args):
    """As the recorder writes it: quotes inside quotes are not escaped."""
    return f'{time},{kind},"{json.dumps(args, separators=(",", ":"))}"'


def inputs(controls, late=0.4):
    """Rows in which a key changes `late` frames after the frame before the one that shows it."""
    rows = [row(DAY, "START", {"inputs": {"keyboard": [], "mouse": []}})]
    rows.append(row(VIDEO, "VIDEO_START", []))
    for index, key, down in key_changes(controls):
        rows.append(row(VIDEO + (index - 1 + late) / FPS, "KEYBOARD", [VK[key], down]))
    end = VIDEO + len(controls) / FPS
    return [*rows, row(end, "VIDEO_END", []), row(end + 0.1, "END", {"inputs": {}})]


def recording(folder, controls, change=lambda rows: rows, **film_settings):
    folder.mkdir(parents=True, exist_ok=True)
    film(folder / "recording.mp4", painted(controls), **{"fps": FPS, **film_settings})
    rows = change(inputs(controls))
    (folder / "inputs.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    meta = {"game_exe": "doom.exe", "session_id": "s1", "hardware_id": "h", "duration": 1.0}
    (folder / "metadata.json").write_text(json.dumps(meta))
    return folder.parent


@pytest.mark.parametrize("audio", [False, True])
def test_every_frame_shows_the_keys_that_are_stored_with_it(tmp_path, audio):
    controls = some_controls(60)
    source = recording(tmp_path / "owl" / "one", controls, audio=audio)
    (episode,) = imported(source, tmp_path / "out", fps=FPS)
    np.testing.assert_array_equal(episode.controls, controls)
    np.testing.assert_array_equal(read(episode.frames), episode.controls)
    assert episode.meta.game == "doom.exe"


def test_the_rate_is_halved_until_it_is_at_most_thirty(tmp_path):
    controls = some_controls(60).repeat(2, 0)  # held for six frames, three at half the rate
    (episode,) = imported(recording(tmp_path / "owl" / "one", controls), tmp_path / "out")
    assert episode.meta.fps == 30 and len(episode.frames) == 60
    np.testing.assert_array_equal(read(episode.frames), episode.controls)


def test_buttons_are_made_of_the_keys_used_and_the_mouse(tmp_path):
    def more(rows):
        moves = [row(VIDEO + 0.095, "MOUSE_MOVE", [3, -4]), row(VIDEO + 0.11, "MOUSE_MOVE", [2, 0])]
        click = [row(VIDEO + 0.195, "MOUSE_BUTTON", [1, True]), row(VIDEO + 0.3, "SCROLL", [1])]
        return [*rows[:-2], *moves, *click, *rows[-2:]]

    source = recording(tmp_path / "owl" / "one", np.zeros((60, 6)), more)
    (episode,) = imported(source, tmp_path / "out", controls=None, fps=FPS)
    assert episode.meta.controls.buttons == ("Mouse0",)
    assert episode.meta.controls.axes == ("look_x", "look_y")
    assert episode.controls[6:8].tolist() == [[0, pytest.approx(0.03), pytest.approx(-0.04)],
                                             [0, pytest.approx(0.02), 0]]  # fmt: skip
    assert episode.controls[12:, 0].all() and not episode.controls[:12, 0].any()
    assert "not imported: scroll wheel" in notes(tmp_path / "out")


def test_an_offset_moves_events_against_the_video(tmp_path):
    controls = some_controls(60)

    def early(rows):
        stamps = [r.split(",", 2) for r in rows]
        keys = ("KEYBOARD",)
        return [f"{float(t) - 0.2 * (k in keys)},{k},{a}" for t, k, a in stamps]

    source = recording(tmp_path / "owl" / "one", controls, early)
    (episode,) = imported(source, tmp_path / "out", fps=FPS, offset=0.2)
    np.testing.assert_array_equal(read(episode.frames), episode.controls)


def test_keys_held_before_the_recording_are_in_start(tmp_path):
    def start(rows):
        held = {"inputs": {"keyboard": [VK["KeyW"], 179], "mouse": [1], "gamepads": {}}}
        return [row(DAY, "START", held), *rows[1:]]

    recording(tmp_path / "owl" / "one", np.zeros((60, 6)), start)
    events, marks, _ = read_inputs(tmp_path / "owl" / "one" / "inputs.csv")
    assert events[0].held == {"KeyW", "Mouse0"} and marks["START"] == DAY


def test_frames_before_the_game_was_caught_are_left_out(tmp_path):
    controls = some_controls(60)
    hook = row(VIDEO + 0.5, "HOOK_START", [])
    source = recording(tmp_path / "owl" / "one", controls, lambda rows: [*rows, hook])
    (episode,) = imported(source, tmp_path / "out", fps=FPS)
    assert len(episode.frames) == 30
    np.testing.assert_array_equal(episode.controls[1:], controls[31:])
    assert "before HOOK_START" in notes(tmp_path / "out")


def test_a_clock_that_drifts_is_named(tmp_path):
    def drift(rows):
        return [row(VIDEO + 1.3, "VIDEO_END", []) if "VIDEO_END" in r else r for r in rows]

    source = recording(tmp_path / "owl" / "one", some_controls(60), drift)
    imported(source, tmp_path / "out")
    assert "+0.30 s more than the video's 1.0 s" in notes(tmp_path / "out")


def test_a_recorder_that_was_killed_ends_with_its_last_event(tmp_path):
    source = recording(tmp_path / "owl" / "one", some_controls(60), lambda rows: rows[:-8])
    (episode,) = imported(source, tmp_path / "out", fps=FPS)
    assert 20 < len(episode.frames) < 60 and "no END" in notes(tmp_path / "out")


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        (f"{DAY},KEYBOARD", "timestamp,event_type,event_args"),
        (f'{DAY},KEYBOARD,"[87, tr', "arguments are JSON"),
        (f'{DAY},KEYBOARD,"[87]"', "a KEYBOARD event"),
        (f'{DAY},KEYBOARD,"[87, 1]"', "a KEYBOARD event"),
        ('nan,KEYBOARD,"[87, true]"', "a number as timestamp"),
        (f'{DAY},MOUSE_MOVE,"[NaN, 0]"', "a number as look_x"),
        (f'{DAY},MOUSE_MOVE,"[]"', "a MOUSE_MOVE event"),
    ],
)  # fmt: skip
def test_a_damaged_line_is_named(tmp_path, fields, says):
    source = recording(
        tmp_path / "owl" / "one", some_controls(60), lambda rows: [*rows[:4], fields, *rows[4:]]
    )
    with pytest.raises(UserError, match=rf"inputs.csv line 6 should be .*{says}"):
        imported(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_quotes_of_any_version_are_read(tmp_path):
    path = tmp_path / "inputs.csv"
    path.write_text('1.5,KEYBOARD,[87,true]\n2.5,KEYBOARD,"[87,false]"\n3.5,START,"{""inputs"":{'
                    '""keyboard"":[65],""mouse"":[]}}"\n4.5,NEW_KIND,"[]"\n')  # fmt: skip
    events, marks, _ = read_inputs(path)
    assert [(e.down, e.up, e.held) for e in events] == [
        (("KeyW",), (), None), ((), ("KeyW",), None), ((), (), {"KeyA"})
    ]  # fmt: skip
    assert marks == {"START": 3.5, "NEW_KIND": 4.5}


def test_times_in_whole_seconds_are_refused(tmp_path):
    path = tmp_path / "inputs.csv"
    path.write_text("\n".join(f'{1750000000 + i},KEYBOARD,"[87,true]"' for i in range(9)))
    with pytest.raises(UserError, match="whole seconds"):
        read_inputs(path)


def test_a_recording_that_was_marked_invalid_is_left_out(tmp_path):
    for name in ("one", "two"):
        recording(tmp_path / "owl" / name, some_controls(60))
    (tmp_path / "owl" / "two" / ".invalid").write_text("too short")
    assert len(imported(tmp_path / "owl", tmp_path / "out")) == 1
    assert "1 recordings marked .invalid" in notes(tmp_path / "out")


def test_a_video_without_a_beginning_is_refused(tmp_path):
    source = recording(
        tmp_path / "owl" / "one",
        some_controls(60),
        lambda rows: [r for r in rows if "START" not in r],
    )
    with pytest.raises(UserError, match="VIDEO_START"):
        imported(source, tmp_path / "out")

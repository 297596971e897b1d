"""VPT's Minecraft recordings, built to the schema in the README of openai/Video-Pre-Training (the
set itself cannot be had here): which frame a tick belongs to, and the known quirks."""

import json

import numpy as np
import pytest
from filming import KEYS, film, held, imported, notes, painted
from painter import read, some_controls

from worldmodel.data.importers.vpt import CONTROLS, Ticks
from worldmodel.errors import UserError

NAMES = dict(zip(KEYS, ("a", "d", "w", "s", "q", "e"), strict=True))


def tick(number, keys=(), buttons=(), fresh=(), **changes):
    mouse = {"x": 640.0, "y": 360.0, "dx": 0.0, "dy": 0.0, "dwheel": 0.0}
    mouse |= {"buttons": list(buttons), "newButtons": list(fresh)}
    keyboard = {"keys": [f"key.keyboard.{NAMES.get(k, k)}" for k in keys], "newKeys": []}
    line = {"mouse": mouse, "keyboard": keyboard, "isGuiOpen": False, "hotbar": 0, "tick": number}
    return line | changes


def recording(
    folder, controls, change=lambda lines: lines, name="cheeky-setter-74ae-20220315-122354"
):
    """A pair of files: tick i holds what produced frame i + 1."""
    folder.mkdir(exist_ok=True)
    after = [*controls[1:], np.zeros(6)]
    lines = change([tick(i, held(control)) for i, control in enumerate(after)])
    film(folder / f"{name}.mp4", painted(controls))
    text = "\n".join(json.dumps(line) for line in lines)
    (folder / f"{name}.jsonl").write_text(text + "\n")
    return folder


def test_every_frame_shows_the_keys_that_are_stored_with_it(tmp_path):
    controls = some_controls(40)
    (episode,) = imported(recording(tmp_path / "vpt", controls), tmp_path / "out")
    np.testing.assert_array_equal(episode.controls, controls)
    np.testing.assert_array_equal(read(episode.frames), episode.controls)
    assert episode.meta.fps == 20 and episode.meta.game == "minecraft"
    assert episode.meta.actions == "known" and "cheeky-setter" in episode.meta.source


def test_a_lower_rate_keeps_keys_and_frames_together(tmp_path):
    controls = some_controls(60)  # held for three frames each
    controls[:3] = 0
    (episode,) = imported(recording(tmp_path / "vpt", controls), tmp_path / "out", fps=20 / 3)
    assert len(episode.frames) == 20 and episode.controls.any()
    np.testing.assert_array_equal(read(episode.frames), episode.controls)


def test_the_formats_own_controls_and_the_mouse(tmp_path):
    def look(lines):
        lines[4]["mouse"] |= {"dx": 30.0, "dy": -10.0, "buttons": [0, 1], "newButtons": [0, 1]}
        return lines

    source = recording(tmp_path / "vpt", np.zeros((20, 6)), look)
    (episode,) = imported(source, tmp_path / "out", controls=None)
    assert episode.meta.controls == CONTROLS
    values = episode.controls[5]
    assert CONTROLS.pressed(values) == ("attack", "use")
    assert values[-2:] == pytest.approx([0.3, -0.1])
    assert not episode.controls[np.arange(20) != 5].any()


def test_an_attack_that_is_stuck_from_the_beginning_is_not_counted_until_it_is_pressed():
    ticks = Ticks("a.jsonl", keep_menus=False)
    lines = [tick(0, buttons=[0], fresh=[0]), tick(1, buttons=[0]), tick(2, buttons=[0, 1])]
    lines += [tick(3, buttons=[0], fresh=[0]), tick(4, buttons=[0])]
    keys = [ticks.read(number, line)[0] for number, line in enumerate(lines, 1)]
    assert keys == [(), (), ("Mouse2",), ("Mouse0",), ("Mouse0",)]
    assert ticks.stuck == 3


def test_an_attack_that_was_released_is_no_longer_stuck():
    ticks = Ticks("a.jsonl", keep_menus=False)
    lines = [tick(0, buttons=[0], fresh=[0]), tick(1), tick(2, buttons=[0])]
    keys = [ticks.read(number, line)[0] for number, line in enumerate(lines, 1)]
    assert keys == [(), (), ("Mouse0",)]


def test_a_slot_chosen_by_the_wheel_becomes_its_key_once():
    ticks = Ticks("a.jsonl", keep_menus=False)
    lines = [tick(0, hotbar=3), tick(1, hotbar=4), tick(2, hotbar=4), tick(3, ["3"], hotbar=2)]
    keys = [ticks.read(number, line)[0] for number, line in enumerate(lines, 1)]
    assert keys == [(), ("Digit5",), (), ("Digit3",)]


def test_an_open_menu_cuts_the_recording(tmp_path):
    def menu(lines):
        for line in lines[10:20]:
            line["isGuiOpen"] = True
            line["mouse"]["dx"] = 50.0
        return lines

    source = recording(tmp_path / "vpt", some_controls(40), menu)
    before, after = imported(source, tmp_path / "out")
    assert (len(before.frames), len(after.frames)) == (10, 20)
    assert not after.controls[0].any()
    np.testing.assert_array_equal(read(after.frames)[1:], after.controls[1:])
    assert "10 ticks with an open menu" in notes(tmp_path / "out")
    (whole,) = imported(source, tmp_path / "kept", keep_menus=True)
    assert len(whole.frames) == 40


def test_a_tick_without_mouse_cuts_the_recording(tmp_path):
    def null(lines):
        lines[15]["mouse"] = None
        return lines

    source = recording(tmp_path / "vpt", some_controls(40), null)
    assert [len(e.frames) for e in imported(source, tmp_path / "out")] == [15, 24]
    assert "1 ticks without mouse" in notes(tmp_path / "out")


@pytest.mark.parametrize(("lost", "extra"), [(3, 0), (0, 3)])
def test_a_missing_end_is_left_out_and_named(tmp_path, lost, extra):
    def change(lines):
        return [*lines[: 40 - lost], *(tick(40 + i) for i in range(extra))]

    (episode,) = imported(recording(tmp_path / "vpt", some_controls(40), change), tmp_path / "out")
    assert len(episode.frames) == 40 - lost
    assert f"40 frames and {40 - lost + extra} lines" in notes(tmp_path / "out")


def test_files_of_very_different_lengths_are_refused(tmp_path):
    source = recording(tmp_path / "vpt", some_controls(60), lambda lines: lines[:30])
    with pytest.raises(UserError, match=r"as many lines as frames, but one ends at 30"):
        imported(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def broken(line):
    def change(lines):
        return [*lines[:6], line, *lines[7:]]

    return change


@pytest.mark.parametrize(
    "line",
    [
        {"mouse": {}, "keyboard": {"keys": []}},
        tick(6) | {"keyboard": {"keys": None}},
        tick(6, buttons=["left"]),
        tick(6) | {"mouse": tick(6)["mouse"] | {"dx": float("nan")}},
        tick(6) | {"mouse": tick(6)["mouse"] | {"dx": "far"}},
        [],
    ],
    ids=["no buttons", "no keys", "button is text", "NaN", "dx is text", "a list"],
)
def test_a_damaged_tick_is_named_by_its_line(tmp_path, line):
    source = recording(tmp_path / "vpt", some_controls(40), broken(line))
    with pytest.raises(UserError, match=r"122354.jsonl line 7 should be"):
        imported(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_half_written_line_is_named(tmp_path):
    source = recording(tmp_path / "vpt", some_controls(40))
    (path,) = source.glob("*.jsonl")
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(UserError, match=r"122354.jsonl line 40 should be a JSON object"):
        imported(source, tmp_path / "out")


def test_pieces_of_a_session_are_never_in_both_splits(tmp_path):
    for session in "abc":
        for minute in (10, 15):
            name = f"cheeky-setter-{session}-20220315-12{minute}00"
            recording(tmp_path / "vpt", some_controls(6), name=name)
    imported(tmp_path / "vpt", tmp_path / "out", heldout=0.3)
    splits = {
        split: {folder.name[:15] for folder in (tmp_path / "out" / split).iterdir()}
        for split in ("train", "heldout")
    }
    assert len(splits["heldout"]) == 1 and len(splits["train"]) == 2
    assert not splits["heldout"] & splits["train"]


def test_a_video_without_actions_is_left_out_and_named(tmp_path):
    source = recording(tmp_path / "vpt", some_controls(20))
    film(source / "lonely-a-b-1-2.mp4", painted(some_controls(20)))
    assert len(imported(source, tmp_path / "out")) == 1
    assert "1 videos without a .jsonl" in notes(tmp_path / "out")

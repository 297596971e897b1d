"""The loop with a clock, a screen and a keyboard that do as they are told."""

import json
from dataclasses import replace
from threading import Event

import numpy as np
import pytest
from painter import META, SPACE

from worldmodel.data.episode import load_episode
from worldmodel.errors import UserError
from worldmodel.record.log import InputLog
from worldmodel.record.recorder import Recorder, finish
from worldmodel.record.screen import Region
from worldmodel.record.shelf import Shelf
from worldmodel.record.takes import Takes
from worldmodel.record.worker import Worker

FPS = 10.0


class Clock:
    """Time that passes only while somebody sleeps; `script` says what happens when."""

    def __init__(self, script):
        self.now, self.script = 0.0, sorted(script, key=lambda event: event[0])

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        until = self.now + seconds
        while self.script and self.script[0][0] <= until:
            at, what = self.script.pop(0)
            self.now = max(self.now, at)
            what()
        self.now = max(self.now, until)


class Screen:
    """A window whose picture brightens by 8 with each grab; it can go away or lose the keyboard."""

    title, screen = "game", Region(0, 0, 640, 480)

    def __init__(self):
        self.at, self.focused, self.broken, self.count = Region(8, 8, 48, 16), True, False, 0

    def region(self):
        return self.at

    def has_keyboard(self):
        return self.focused

    def grab(self, region):
        self.count += 1
        if self.broken:
            return None
        return np.full((region.height, region.width, 4), 8 * self.count, np.uint8)


class Stage:
    """A recorder, what it works with, and what it made."""

    def __init__(self, folder, script, latency=0.0):
        names = iter("abcdefgh")
        self.screen, self.log, self.worker = Screen(), InputLog(), Worker()
        self.clock = Clock([(at, lambda do=do: do(self)) for at, do in script])
        meta = replace(META, fps=FPS)
        self.takes = Takes(Shelf(folder, "train", clock=lambda: next(names)), meta)
        self.recorder = Recorder(
            self.screen, self.screen, self.log, self.takes, self.worker,
            latency=latency, clock=self.clock, sleep=self.clock.sleep,
        )  # fmt: skip
        self.lines, self.heard, self.folder = [], [], folder
        self.recorder.heard = self.heard.append

    def run(self, seconds=1.0):
        self.recorder.run(lambda status, now: self.lines.append(status), seconds)
        finish(self.takes, self.worker)
        return [load_episode(path) for path in sorted(self.folder.glob("train/*"))]


@pytest.fixture
def record(tmp_path):
    def run(*script, seconds=1.0, **settings):
        stage = Stage(tmp_path, [each for each in script if each[0]], **settings)
        if script[0] == START:
            toggle(stage)
        return stage, stage.run(seconds)

    return run


def press(code):
    return lambda stage: stage.log.press(code, stage.clock.now)


def release(code):
    return lambda stage: stage.log.release(code, stage.clock.now)


def toggle(stage):
    stage.recorder.toggle()


START = (0.0, toggle)


def change(name, value):
    return lambda stage: setattr(stage.screen, name, value)


def brightness(episode):
    return (episode.frames.mean((1, 2, 3)) / 8).round().astype(int).tolist()


def test_an_action_is_what_was_held_since_the_picture_before(record):
    stage, (episode,) = record(
        (0.05, toggle), (0.31, press("KeyW")), (0.47, release("KeyW")), (0.72, press("KeyA")),
        (0.73, release("KeyA")),
    )  # fmt: skip
    assert brightness(episode) == [2, 3, 4, 5, 6, 7, 8, 9, 10]  # the first picture came before F9
    held = [key[0] if key else "" for key in episode.keys]
    assert held == ["", "", "", "KeyW", "KeyW", "", "", "KeyA", ""]
    np.testing.assert_array_equal(
        episode.controls, [SPACE.from_keys(keys) for keys in episode.keys]
    )
    assert stage.recorder.dropped == 0


def test_latency_is_taken_into_account(record):
    _, (episode,) = record(START, (0.38, press("KeyW")), (0.58, release("KeyW")), latency=0.05)
    assert [bool(keys) for keys in episode.keys] == [False] * 5 + [True] * 3 + [False] * 2


def test_pausing_separates_episodes_and_keys_are_followed_meanwhile(record):
    _, episodes = record(
        START, (0.25, press("KeyW")), (0.35, toggle), (0.45, release("KeyW")),
        (0.48, press("KeyA")), (0.65, toggle), seconds=1.0,
    )  # fmt: skip
    assert [e.keys for e in episodes] == [
        [(), (), (), ("KeyW",)],
        [(), ("KeyA",), ("KeyA",)],
    ]


def test_another_window_with_the_keyboard_is_not_listened_to(record):
    stage, (episode,) = record(
        START, (0.15, press("KeyW")), (0.35, change("focused", False)),
        (0.45, press("KeyA")), (0.65, change("focused", True)), (0.75, press("KeyD")),
    )  # fmt: skip
    held = [key[0] if key else "" for key in episode.keys]
    assert held == ["", "", "KeyW", "KeyW", "", "", "", "", "KeyD", "KeyD"]
    assert stage.heard == [True] * 4 + [False] * 3 + [True] * 3
    assert "another window has the keyboard" in stage.lines[5].line()


def test_a_slot_that_passes_is_counted_and_left_out(record, tmp_path):
    def stall(stage):
        stage.clock.now += 0.25

    stage, (episode,) = record(START, (0.35, stall), (0.36, press("KeyW")))
    assert stage.recorder.dropped == 2
    lines = (tmp_path / "train" / "a" / "actions.jsonl").read_text().splitlines()
    assert [round(json.loads(line)["milli"]) for line in lines][3:6] == [300, 600, 700]
    assert len(episode.frames) == 8


def test_a_picture_that_cannot_be_had_keeps_its_keys_for_the_next(record):
    stage, (episode,) = record(
        START, (0.25, change("broken", True)), (0.26, press("KeyW")),
        (0.27, release("KeyW")), (0.35, change("broken", False)),
    )  # fmt: skip
    assert stage.recorder.dropped == 1
    assert episode.keys[2:5] == [(), ("KeyW",), ()]


def test_a_window_half_off_the_screen_is_not_recorded(record):
    stage, episodes = record(
        START, (0.25, change("at", Region(-5, 8, 48, 16))),
        (0.95, change("at", Region(0, 8, 48, 16))), seconds=1.4,
    )  # fmt: skip
    assert [len(e.frames) for e in episodes] == [3, 4]
    assert "not wholly on the screen" in stage.lines[6].line() and stage.recorder.dropped == 7


def test_a_window_that_changes_its_size_begins_an_episode(record):
    _, episodes = record(
        START,
        (0.45, change("at", Region(9, 9, 48, 16))),
        (0.65, change("at", Region(9, 9, 96, 32))),
    )
    assert [len(e.frames) for e in episodes] == [7, 3]


def test_a_window_that_closes_ends_the_recording(record):
    stage, (episode,) = record(START, (0.45, change("at", None)))
    assert len(episode.frames) == 5 and stage.recorder.notice == "the window was closed"


def test_stop_ends_and_discard_throws_away(record):
    _, (episode,) = record(
        START, (0.35, lambda stage: stage.recorder.discard()),
        (0.75, lambda stage: stage.recorder.stop()),
    )  # fmt: skip
    assert len(episode.frames) == 4


def test_a_full_disk_is_a_sentence_and_keeps_what_was_recorded(tmp_path, monkeypatch):
    def fill(stage):
        def add(*given, **named):
            raise OSError(28, "No space left on device")

        done = Event()
        stage.worker.put(done.set)
        done.wait()
        monkeypatch.setattr(stage.takes, "add", add)

    stage = Stage(tmp_path, [(0.05, toggle), (0.85, fill)])
    with pytest.raises(UserError, match=r"No space left on device.*worldmodel repair"):
        stage.run()
    assert [path.name for path in (tmp_path / "train").iterdir()] == [".a.recording"]


def test_the_line_says_what_is_seen(record):
    stage, _ = record(START, (0.35, press("KeyW")), (0.36, press("ArrowLeft")))
    line = stage.lines[-1].line()
    assert line.startswith("REC   48x16 as 48x16  10.0 of 10 frames/s")
    assert "0 dropped" in line and line.endswith("keys W Left")

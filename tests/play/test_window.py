"""The window's loop with a stand-in for OpenCV, and the sentences without one."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from worldmodel.errors import UserError
from worldmodel.play import window
from worldmodel.play.window import ESCAPE, Player, code_of, opening, run_window


class Screen:
    """Types a list of keys, one each time it is asked, and keeps what was shown."""

    def __init__(self, typed):
        self.typed, self.shown, self.closed = list(typed), [], False
        self.WINDOW_AUTOSIZE = self.WINDOW_GUI_NORMAL = self.INTER_CUBIC = self.BORDER_CONSTANT = (
            self.LINE_AA
        ) = 0
        self.FONT_HERSHEY_SIMPLEX = self.WND_PROP_VISIBLE = 0

    def namedWindow(self, *args):
        pass

    def waitKeyEx(self, milliseconds):
        return self.typed.pop(0) if self.typed else ESCAPE

    def getWindowProperty(self, *args):
        return 1.0

    def resize(self, picture, size, interpolation):
        return picture

    def copyMakeBorder(self, picture, *args):
        return picture

    def putText(self, picture, text, *args):
        self.shown.append(text)

    def getTextSize(self, text, *args):
        return ((len(text), 8), 0)

    def imshow(self, title, picture):
        self.picture = picture

    def destroyAllWindows(self):
        self.closed = True


@pytest.fixture
def player(engine, monkeypatch):
    def start(*typed):
        monkeypatch.setattr(window, "system_probe", lambda: None)
        monkeypatch.setattr(window.time, "perf_counter", iter(np.arange(0, 1e3, 0.01)).__next__)
        screen = Screen(typed)
        return Player(screen, engine, engine.scenes[0], 1, 2), screen

    return start


def test_keys_reach_the_world_and_escape_ends(player, engine):
    seen, step = [], engine.step
    engine.step = lambda controls: seen.append(engine.controls.pressed(controls)) or step(controls)
    started, screen = player(ord("w"), 65361, *[-1] * 30)
    started.run(3)
    assert set(seen[0]) == {"forward", "left"} and seen[-1] == ()
    assert screen.closed


def test_pause_and_single_step(player, engine):
    started, screen = player(ord(" "), ord("n"), ord("n"), ord("q"))
    started.run(None)
    assert engine.frame_index == 2
    assert any("PAUSED" in text for text in screen.shown)


def test_reset_goes_back_to_the_scene(player, engine):
    started, _ = player(*[-1] * 20, ord("r"), ord("q"))
    started.run(None)
    assert engine.frame_index <= 1 and engine.seed == 1


def test_a_key_that_the_world_uses_is_no_command(player):
    started, _ = player()
    assert "KeyS" not in started.commands and started.commands["KeyQ"] == "quit"


def test_codes_of_what_opencv_reports():
    assert [code_of(k) for k in (ord("w"), ord("W"), 32, 65362, -1, ord("7"), ord("é"))] == [
        "KeyW", "KeyW", "Space", "ArrowUp", None, None, None,
    ]  # fmt: skip


def test_a_picture_opens_a_world(engine, tmp_path):
    Image.new("RGB", (60, 40), (9, 90, 9)).save(tmp_path / "a.png")
    assert opening(engine, None, tmp_path / "a.png").name == "own-picture"
    assert opening(engine, "short", None).name == "short"
    assert opening(engine, None, None).name == "long-hall"


def test_openings_that_are_none(engine, tmp_path):
    (tmp_path / "a.png").write_bytes(b"nothing")
    with pytest.raises(UserError, match="cannot be read as a picture"):
        opening(engine, None, tmp_path / "a.png")
    with pytest.raises(UserError, match="no scene 'attic' in Tiny, only long-hall, short"):
        opening(engine, "attic", None)


def test_without_opencv_or_a_display_there_is_a_sentence(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(UserError, match="needs OpenCV, which is not installed"):
        run_window(folder)
    monkeypatch.setitem(sys.modules, "cv2", SimpleNamespace(getBuildInformation=lambda: ""))
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UserError, match="needs a display and none can be reached"):
        run_window(folder)

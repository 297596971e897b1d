"""A person at the keyboard, with a stand-in for OpenCV that types."""

from types import SimpleNamespace

import numpy as np
import pytest
from painter import META, SPACE

from worldmodel.record import person
from worldmodel.record.person import Person

ENTER, BACKSPACE, TAB, ESCAPE = 13, 8, 9, 27


class Window:
    """Types a list of keys, one each time it is asked; -1 lets a frame's time pass."""

    def __init__(self, clock, typed):
        self.clock, self.typed, self.texts, self.open = clock, list(typed), [], 1.0

    def __getattr__(self, name):
        if name.isupper():
            return 0
        raise AttributeError(name)

    def waitKeyEx(self, milliseconds):
        key = self.typed.pop(0) if self.typed else -1
        self.clock.now += milliseconds / 1000 if key == -1 else 0.001
        return key

    def namedWindow(self, *args):
        pass

    def getWindowProperty(self, *args):
        return self.open

    def resize(self, picture, size, interpolation):
        return np.zeros((size[1], size[0], 3), np.uint8)

    def copyMakeBorder(self, picture, *args):
        return picture

    def putText(self, picture, text, *args):
        self.texts.append(text)

    def imshow(self, title, picture):
        self.picture = picture

    def destroyAllWindows(self):
        self.open = 0.0


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def sit(monkeypatch):
    def start(*typed):
        clock = Clock()
        monkeypatch.setattr(person.time, "perf_counter", clock)
        monkeypatch.setattr(person, "system_probe", lambda: None)
        game = SimpleNamespace(name="painter", fps=10.0, size=META.size, controls=SPACE)
        window = Window(clock, typed)
        player = Person(window, game, 2)
        player.reset(0)
        return player, game, window

    return start


def test_keys_become_controls(sit):
    player, game, _ = sit(ord("w"), 65361, -1)
    np.testing.assert_array_equal(player.act(game), SPACE.from_keys(["KeyW"]))
    assert player.held() == ("KeyW", "ArrowLeft")
    for _ in range(3):
        player.act(game)
    assert player.held() == ()  # a tap ends by itself where releases cannot be seen


def test_the_game_keeps_its_rate(sit):
    player, game, window = sit()
    for _ in range(5):
        player.act(game)
    assert window.clock.now == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(
    ("key", "wish"), [(ENTER, "next"), (BACKSPACE, "discard"), (ESCAPE, "quit")]
)
def test_commands(sit, key, wish):
    player, game, _ = sit(key)
    player.act(game)
    assert player.wish == wish
    player.reset(1)
    assert player.wish is None


def test_pausing_makes_no_step(sit):
    player, game, window = sit(TAB, *[-1] * 40, TAB)
    player.act(game)
    assert window.clock.now > 0.9 and not player.paused and player.wish is None


def test_closing_the_window_ends(sit):
    player, game, window = sit()
    window.open = 0.0
    player.act(game)
    assert player.wish == "quit"


def test_the_window_shows_what_is_recorded(sit):
    player, _, window = sit()
    player.show(np.zeros((*META.size, 3), np.uint8), SimpleNamespace(name="train/a", frames=7))
    assert window.texts[0] == "REC train/a  7 frames  keys -"
    assert window.picture.shape[:2] == (32, 96)
    player.close()
    assert window.open == 0.0

"""What is recorded: regions, windows by their titles, pictures made small."""

import numpy as np
import pytest

from worldmodel.errors import UserError
from worldmodel.record import screen
from worldmodel.record.screen import (
    FixedView,
    Region,
    WindowView,
    check_region,
    check_session,
    shrink,
)

SCREEN = Region(0, 0, 800, 600)


def test_a_region_must_be_on_the_screen():
    region = Region(0, 100, 800, 500)
    assert check_region(region, SCREEN) == region
    for wrong in (Region(1, 0, 800, 600), Region(-1, 0, 20, 20), Region(900, 0, 50, 50)):
        with pytest.raises(UserError, match="reaches out of the screen, which is 800x600 at 0,0"):
            check_region(wrong, SCREEN)
    with pytest.raises(UserError, match="15x99 is too small"):
        check_region(Region(0, 0, 15, 99), SCREEN)


class Windows:
    """A desktop with windows of these titles."""

    def __init__(self, *titles):
        self.titles = titles

    def windows(self):
        return [(index, title) for index, title in enumerate(self.titles)]

    def region(self, window):
        return Region(window, 0, 20, 20)

    def has_keyboard(self, window):
        return window == 1


def test_a_window_is_found_by_a_part_of_its_title():
    view = WindowView(Windows("Terminal", "Super Game 2.1 (60 fps)"), "super game")
    assert view.title == "Super Game 2.1 (60 fps)"
    assert view.region().left == 1 and view.has_keyboard()
    assert WindowView(Windows("Game", "Game settings"), "Game").title == "Game"


def test_no_window_or_several_are_a_sentence():
    with pytest.raises(UserError, match=r"no window with 'doom'.*'Terminal', 'Mail'"):
        WindowView(Windows("Terminal", "Mail"), "doom")
    with pytest.raises(UserError, match=r"2 windows have 'Game'.*'Game A', 'Game B'"):
        WindowView(Windows("Game A", "Game B"), "Game")
    with pytest.raises(UserError, match="none with a title"):
        WindowView(Windows(), "doom")


def test_a_fixed_region_takes_every_key():
    assert FixedView(SCREEN, "screen").region() == SCREEN
    assert FixedView(SCREEN, "screen").has_keyboard()


def test_pictures_become_small_red_first():
    picture = np.zeros((40, 80, 4), np.uint8)
    picture[:, :40] = (10, 20, 200, 0)  # blue, green, red
    small = shrink(picture, (4, 8))
    assert small.shape == (4, 8, 3) and small.dtype == np.uint8
    assert small[0, 0].tolist() == [200, 20, 10] and small[0, -1].tolist() == [0, 0, 0]


def test_means_are_those_of_the_area():
    random = np.random.default_rng(0).integers(0, 256, (48, 64, 4), np.uint8)
    small = shrink(random, (6, 8))
    exact = random[..., 2::-1].reshape(6, 8, 8, 8, 3).mean((1, 3))
    assert np.abs(small - exact).max() < 1  # it rounds twice


def test_crop_keeps_the_shape_and_the_middle():
    picture = np.zeros((40, 80, 4), np.uint8)
    picture[:, 20:60] = 255
    assert shrink(picture, (8, 8), crop=True).min() == 255
    assert shrink(picture, (8, 8)).min() == 0
    tall = shrink(np.swapaxes(picture, 0, 1).copy(), (8, 8), crop=True)
    assert tall.min() == 255


class Xwayland:
    is_wayland = True


def test_wayland_is_a_sentence(monkeypatch):
    monkeypatch.setattr(screen.sys, "platform", "linux")
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    monkeypatch.setenv("DISPLAY", ":0")
    check_session(None)
    with pytest.raises(UserError, match="this is a Wayland session"):
        check_session(Xwayland())
    monkeypatch.delenv("DISPLAY")
    with pytest.raises(UserError, match="this is a Wayland session"):
        check_session(None)

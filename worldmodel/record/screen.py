"""What is recorded: a window that is followed, or a region of the screen; and its pictures."""

import os
import sys
from typing import Any, NamedTuple, Protocol

import numpy as np
from PIL import Image

from worldmodel.errors import UserError

SMALLEST = 16  # pixels to a side


class Region(NamedTuple):
    """A rectangle of the desktop, in pixels."""

    left: int
    top: int
    width: int
    height: int

    def within(self, other: "Region") -> "Region":
        """The part of it that lies in another one; its sides may be negative."""
        left, top = max(self.left, other.left), max(self.top, other.top)
        right = min(self.left + self.width, other.left + other.width)
        bottom = min(self.top + self.height, other.top + other.height)
        return Region(left, top, right - left, bottom - top)


class View(Protocol):
    """Where the game is."""

    title: str

    def region(self) -> Region | None:
        """Where it is now; None when it is gone."""
        ...

    def has_keyboard(self) -> bool:
        """Whether what is typed goes to it."""
        ...


class FixedView:
    """A region that stays; nobody can tell whether what is typed goes there."""

    def __init__(self, region: Region, title: str) -> None:
        self._region, self.title = region, title

    def region(self) -> Region:
        return self._region

    def has_keyboard(self) -> bool:
        return True


class WindowView:
    """A window of an X server, by (a part of) its title; followed when it moves."""

    def __init__(self, desktop: Any, title: str) -> None:
        self._desktop = desktop
        self._window, self.title = _only(title, list(desktop.windows()))

    def region(self) -> Region | None:
        return self._desktop.region(self._window)

    def has_keyboard(self) -> bool:
        return self._desktop.has_keyboard(self._window)


class Camera:
    """Takes pictures of the screen. Raises UserError when there is none to take pictures of."""

    def __init__(self) -> None:
        from mss import MSS, ScreenShotError

        self._error = ScreenShotError
        try:
            self._mss = MSS()
            self.screen = Region(*(self._mss.monitors[0][n] for n in Region._fields))
        except ScreenShotError as error:
            raise UserError(
                f"the screen cannot be captured ({error}); allow this program to record the "
                "screen in the system's settings, or record a game with --game"
            ) from None

    def monitor(self, number: int) -> Region:
        """A monitor, counted from 1. Raises UserError."""
        monitors = self._mss.monitors[1:]
        if not 1 <= number <= len(monitors):
            raise UserError(
                f"there is no monitor {number}, only {len(monitors)}; choose one of 1 to "
                f"{len(monitors)}, or give --window or --region"
            )
        return Region(*(monitors[number - 1][name] for name in Region._fields))

    def grab(self, region: Region) -> np.ndarray | None:
        """The picture uint8 [H W 4], blue first, or None when the system refuses it."""
        try:
            shot = self._mss.grab(region._asdict())
        except self._error:
            return None
        return np.frombuffer(shot.raw, np.uint8).reshape(shot.height, shot.width, 4)

    def close(self) -> None:
        """Let go of the screen."""
        self._mss.close()


def check_region(region: Region, screen: Region) -> Region:
    """The region again. Raises UserError when it is too small or reaches out of the screen."""
    if min(region.width, region.height) < SMALLEST:
        raise UserError(
            f"a region of {region.width}x{region.height} is too small to record; it needs "
            f"{SMALLEST} pixels to a side"
        )
    if region.within(screen) != region:
        raise UserError(
            f"the region {region.width}x{region.height} at {region.left},{region.top} reaches out "
            f"of the screen, which is {screen.width}x{screen.height} at {screen.left},"
            f"{screen.top}; move the window or choose another region"
        )
    return region


def check_session(desktop: Any | None) -> None:
    """Raise UserError where the system lets no program see the screen and the keys."""
    if not sys.platform.startswith("linux"):
        return
    wayland = os.environ.get("WAYLAND_DISPLAY") and not os.environ.get("DISPLAY")
    if wayland or (desktop is not None and desktop.is_wayland):
        raise UserError(
            "this is a Wayland session, in which no program may see other windows or their keys; "
            "log in to an Xorg session, or run the game under `Xephyr` or `Xvfb` and set DISPLAY"
        )


def shrink(picture: np.ndarray, size: tuple[int, int], crop: bool = False) -> np.ndarray:
    """A screen's picture uint8 [H W 4], blue first, as uint8 [h w 3]: the mean of its pixels.

    It is stretched to the new shape, or with `crop` loses evenly at the sides what is too much.
    """
    height, width = picture.shape[:2]
    image = Image.frombuffer("RGB", (width, height), picture, "raw", "BGRX", 0, 1)
    box = _middle(width, height, size[1] / size[0]) if crop else None
    return np.asarray(image.resize((size[1], size[0]), Image.Resampling.BOX, box))


def _middle(width: int, height: int, aspect: float) -> tuple[float, float, float, float]:
    """The largest box of an aspect (width over height) in the middle of a picture."""
    w, h = min(width, height * aspect), min(height, width / aspect)
    return (width - w) / 2, (height - h) / 2, (width + w) / 2, (height + h) / 2


def _only(title: str, windows: list[tuple[Any, str]]) -> tuple[Any, str]:
    """The one window with a title, or with it in its title. Raises UserError."""
    for fits in (lambda t: t == title, lambda t: title.lower() in t.lower()):
        found = [(window, name) for window, name in windows if fits(name)]
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(repr(name) for _, name in found[:6])
            raise UserError(
                f"{len(found)} windows have {title!r} in their title ({names}); name one of them "
                "in full, or close the others"
            )
    names = ", ".join(repr(name) for _, name in windows[:6]) or "none with a title"
    raise UserError(f"there is no window with {title!r} in its title, only {names}; start the game")

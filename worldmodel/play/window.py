"""Play in a desktop window: `worldmodel play --window`, for people without a browser."""

import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
from PIL import Image

from worldmodel.errors import UserError
from worldmodel.play.engine import Engine, load_engine
from worldmodel.play.held import HeldKeys, system_probe, x11
from worldmodel.play.scene import Scene

ESCAPE = 27
ARROWS = {  # what cv2.waitKeyEx returns on X11, Windows and macOS
    65361: "ArrowLeft", 65362: "ArrowUp", 65363: "ArrowRight", 65364: "ArrowDown",
    0x250000: "ArrowLeft", 0x260000: "ArrowUp", 0x270000: "ArrowRight", 0x280000: "ArrowDown",
    63234: "ArrowLeft", 63232: "ArrowUp", 63235: "ArrowRight", 63233: "ArrowDown",
}  # fmt: skip
COMMANDS = {"Space": "pause", "KeyP": "pause", "KeyR": "reset", "KeyN": "step", "KeyQ": "quit"}
HUD = 60  # pixels below the picture
INK, DIM, LIT = (225, 225, 225), (120, 120, 120), (90, 220, 120)  # BGR


def run_window(
    folder: Path | str,
    *,
    scene: str | None = None,
    picture: Path | str | None = None,
    seed: int = 0,
    steps: int | None = None,
    guidance: float | None = None,
    scale: int = 5,
    device: str = "cpu",
    speed: str = "auto",
    frames: int | None = None,
) -> None:
    """Play the world in `folder` until Escape; `frames` ends it sooner.

    Begins in the named scene, in a picture of the player's, or in the first scene. Raises
    UserError: no such scene or picture, a bad setting, no OpenCV, no display.
    """
    cv2 = windows()
    engine = load_engine(folder, device=device, speed=speed)
    given = {"steps": steps, "guidance": guidance}
    changes = {name: value for name, value in given.items() if value is not None}
    engine.settings = replace(engine.settings, **changes)
    Player(cv2, engine, opening(engine, scene, picture), seed, scale).run(frames)


def windows() -> ModuleType:
    """The cv2 module, once it is certain that it can open a window. Raises UserError.

    Must run before PyAV is imported: its libxcb makes OpenCV's windows hang (PyAV issue 978).
    """
    if "av" in sys.modules and "cv2" not in sys.modules:
        raise RuntimeError("cv2 must be imported before av, or its windows hang")
    try:
        import cv2
    except ImportError:
        raise UserError(
            "a desktop window needs OpenCV, which is not installed; run "
            "`pip install 'worldmodel[desktop]'`, or play in the browser with `python app.py`"
        ) from None
    if sys.platform.startswith("linux"):
        named = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
        if not named or (os.environ.get("DISPLAY") and x11() is None):
            raise UserError(
                "a desktop window needs a display and none can be reached; start it in a desktop "
                "session, or play in the browser with `python app.py`"
            )
    if "GUI:                           NONE" in cv2.getBuildInformation():
        raise UserError(
            "this OpenCV was built without windows; run `pip uninstall opencv-python-headless` "
            "and `pip install opencv-python`"
        )
    return cv2


def opening(engine: Engine, scene: str | None, picture: Path | str | None) -> Scene:
    """The scene to begin in. Raises UserError."""
    if picture is not None:
        try:
            with Image.open(picture) as image:
                return engine.scene_from_picture(np.asarray(image.convert("RGB")))
        except OSError as error:
            raise UserError(
                f"{picture} cannot be read as a picture ({error}); choose a JPEG or PNG"
            ) from None
    known = {each.name: each for each in engine.scenes}
    if scene is None and known:
        return engine.scenes[0]
    if scene not in known:
        raise UserError(
            f"there is no scene {scene!r} in {engine.title}, only "
            f"{', '.join(known) or 'none'}; choose one of these or give a picture"
        )
    return known[scene]


class Player:
    """The window's loop: read keys, make a frame, draw it, wait for the next one's time."""

    def __init__(
        self, cv2: ModuleType, engine: Engine, scene: Scene, seed: int, scale: int
    ) -> None:
        self.cv2, self.engine, self.scene, self.seed = cv2, engine, scene, seed
        self.size = engine.size[1] * scale, engine.size[0] * scale
        self.keys = HeldKeys(system_probe())
        # a key that the world uses belongs to the world; Escape always quits
        self.commands = {k: c for k, c in COMMANDS.items() if k not in engine.controls.keymap}
        self.paused, self.title = False, f"worldmodel: {engine.title}"
        self.rate, self.last = engine.fps, time.perf_counter()  # frames a second, smoothed

    def run(self, frames: int | None) -> None:
        """Play until Escape, until the window is closed, or for so many frames."""
        look = self.cv2.WINDOW_AUTOSIZE | self.cv2.WINDOW_GUI_NORMAL
        self.cv2.namedWindow(self.title, look)
        try:
            self.frame, held = self.engine.reset(self.scene, self.seed), ()
            due = time.perf_counter()
            while frames is None or self.engine.frame_index < frames:
                self.draw(held)
                due = max(due + 1 / self.engine.fps, time.perf_counter())
                command = self.listen(due)
                if command == "quit":
                    break
                held = self.keys.read(time.perf_counter())
                self.advance(command, held)
        finally:
            self.cv2.destroyAllWindows()

    def advance(self, command: str | None, held: tuple[str, ...]) -> None:
        """Obey the command, and make the next frame unless play stands still."""
        if command == "pause":
            self.paused = not self.paused
        if command == "reset":
            self.frame = self.engine.reset(self.scene, self.seed)
        elif command == "step" or not self.paused:
            self.frame = self.engine.step(self.engine.controls.from_keys(held))
        now = time.perf_counter()
        self.rate += 0.1 * (1 / max(now - self.last, 1e-3) - self.rate)
        self.last = now

    def listen(self, due: float) -> str | None:
        """Note the presses until `due`; returns at once when one is a command."""
        while True:
            left = due - time.perf_counter()
            pressed = self.cv2.waitKeyEx(max(1, int(1000 * left)))
            if pressed == -1 and left <= 0.001:
                return None if self.is_open() else "quit"
            if pressed == ESCAPE:
                return "quit"
            code = code_of(pressed)
            if code in self.commands:
                return self.commands[code]
            if code is not None:
                self.keys.press(code, time.perf_counter())

    def is_open(self) -> bool:
        return self.cv2.getWindowProperty(self.title, self.cv2.WND_PROP_VISIBLE) >= 1

    def draw(self, held: tuple[str, ...]) -> None:
        """Show the frame with the rate, the settings and the held keys below it."""
        cv2, settings = self.cv2, self.engine.settings
        picture = cv2.resize(self.frame[..., ::-1], self.size, interpolation=cv2.INTER_CUBIC)
        picture = cv2.copyMakeBorder(picture, 0, HUD, 0, 0, cv2.BORDER_CONSTANT)
        line = f"{self.rate:4.1f} fps  steps {settings.steps}  guidance {settings.guidance:g}"
        line += f"  frame {self.engine.frame_index}" + ("  PAUSED" if self.paused else "")
        self.write(picture, line, 8, 16, INK)
        down = self.engine.controls.pressed(self.engine.controls.from_keys(held))
        x = 8
        for button in self.engine.controls.buttons:
            x += self.write(picture, button, x, 34, LIT if button in down else DIM)
        self.write(picture, self.help(), 8, 52, DIM)
        cv2.imshow(self.title, picture)

    def help(self) -> str:
        keys: dict[str, str] = {}
        for code, command in self.commands.items():
            keys.setdefault(command, code.removeprefix("Key"))
        keys["quit"] = "Esc"
        return "  ".join(f"{key}: {command}" for command, key in keys.items())

    def write(self, picture: np.ndarray, text: str, x: int, y: int, ink: tuple) -> int:
        """Write below the picture; returns the width to the next word."""
        cv2 = self.cv2
        font, size, at = cv2.FONT_HERSHEY_SIMPLEX, 0.38, (x, self.size[1] + y)
        cv2.putText(picture, text, at, font, size, ink, 1, cv2.LINE_AA)
        return cv2.getTextSize(text, font, size, 1)[0][0] + 10


def code_of(pressed: int) -> str | None:
    """The KeyboardEvent.code of what cv2.waitKeyEx returned, or None for other keys."""
    if pressed in ARROWS:
        return ARROWS[pressed]
    character = chr(pressed & 0xFF) if pressed >= 0 else ""
    if character == " ":
        return "Space"
    return f"Key{character.upper()}" if character.isascii() and character.isalpha() else None

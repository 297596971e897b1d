"""An engine without a model: its pixels carry what it was told.

A frame is dark; block i of the upper row is bright while button i is held, the left half of the
lower rows has the seed's colour, and the right half has the frame index in its red channel.
"""

import json
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from worldmodel.errors import UserError
from worldmodel.games.base import ControlSpace

BUTTONS = ("forward", "backward", "strafe_left", "strafe_right", "turn_left", "turn_right")
KEYMAP = {
    "KeyW": "forward",
    "ArrowUp": "forward",
    "KeyS": "backward",
    "ArrowDown": "backward",
    "KeyA": "strafe_left",
    "KeyD": "strafe_right",
    "ArrowLeft": "turn_left",
    "KeyQ": "turn_left",
    "ArrowRight": "turn_right",
    "KeyE": "turn_right",
}
OPPOSITES = (
    ("forward", "backward"),
    ("strafe_left", "strafe_right"),
    ("turn_left", "turn_right"),
)
SIZE = (96, 128)
BLOCK = 16  # pixels, a JPEG's own block: values survive


CONTROLS = ControlSpace(buttons=BUTTONS, keymap=KEYMAP, opposites=OPPOSITES)


@dataclass(frozen=True, kw_only=True)
class Settings:
    steps: int = 2
    guidance: float = 1.0
    context_noise: float = 0.0
    sampler: str = "euler"


@dataclass(frozen=True)
class Scene:
    name: str
    title: str
    frames: np.ndarray
    controls: np.ndarray


def seed_colour(seed: int) -> tuple[int, int, int]:
    """Three bytes that tell seeds apart."""
    return (40 + seed % 7 * 30, 40 + seed // 7 % 7 * 30, 40 + seed // 49 % 7 * 30)


def held_in(frame: np.ndarray) -> tuple[str, ...]:
    """The buttons that a frame uint8 [h w 3] says were held."""
    bright = [frame[8, i * BLOCK + 8].mean() > 128 for i in range(len(BUTTONS))]
    return tuple(name for name, on in zip(BUTTONS, bright, strict=True) if on)


def _scenes(size: tuple[int, int]) -> tuple[Scene, ...]:
    def scene(name: str, title: str, shade: int) -> Scene:
        frames = np.full((4, *size, 3), shade, np.uint8)
        frames[:, size[0] // 2 :, :, 0] = 90
        return Scene(name, title, frames, np.zeros((4, len(BUTTONS)), np.float32))

    titles = ("Long hall", "Green room", "Crossing", "Stairs", "Dead end", "Start")
    return tuple(scene(f"scene-{i}", title, 40 + 30 * i) for i, title in enumerate(titles))


@dataclass
class StubEngine:
    """Has the very interface of worldmodel.play.engine.Engine. `delay` is seconds per step."""

    name: str = "stub"
    title: str = "Stub halls"
    licence: str = "CC0"
    fps: float = 20.0
    size: tuple[int, int] = SIZE
    delay: float = 0.0
    controls: ControlSpace = CONTROLS
    settings: Settings = Settings()
    scene: Scene | None = None
    seed: int = 0
    frame_index: int = 0
    timings: dict = field(default_factory=dict)
    trained: int | None = None
    level: int = 0  # frames that a level lasts; 0: for ever

    @property
    def over(self) -> bool:
        return bool(self.level and self.frame_index and self.frame_index % self.level == 0)

    def __post_init__(self) -> None:
        self.scenes = _scenes(self.size)

    def reset(self, scene: Scene, seed: int) -> np.ndarray:
        self.scene, self.seed, self.frame_index = scene, seed, 0
        return self._frame(np.zeros(self.controls.size, np.float32))

    def step(self, controls: np.ndarray) -> np.ndarray:
        time.sleep(self.delay)
        self.frame_index += 1
        self.timings = {"model": self.delay, "decode": 0.0}
        return self._frame(controls)

    def snapshot(self) -> tuple:
        return self.scene, self.seed, self.frame_index

    def restore(self, snapshot: tuple) -> None:
        self.scene, self.seed, self.frame_index = snapshot

    def fork(self) -> "StubEngine":
        return replace(self, timings={})

    def scene_from_picture(self, picture: np.ndarray) -> Scene:
        frames = np.full((4, *self.size, 3), picture.mean((0, 1)).astype(np.uint8), np.uint8)
        controls = np.zeros((4, self.controls.size), np.float32)
        return Scene("own-picture", "Own picture", frames, controls)

    def _frame(self, controls: np.ndarray) -> np.ndarray:
        frame = (self.scene.frames[-1] // 2).copy()
        for i, value in enumerate(controls):
            frame[:BLOCK, i * BLOCK : (i + 1) * BLOCK] = 255 if value > 0.5 else 0
        middle = self.size[0] // 3 // BLOCK * BLOCK
        frame[middle:-BLOCK, : self.size[1] // 2] = seed_colour(self.seed)
        frame[middle:-BLOCK, self.size[1] // 2 :, 0] = self.frame_index % 256
        return frame


@dataclass
class StubBackend:
    """Loads stub engines. A config.json may say `damaged`, `trained` and what StubEngine takes."""

    engine: dict = field(default_factory=dict)
    load_seconds: float = 0.0
    batches: list[int] = field(default_factory=list)

    def load(self, folder: Path, note) -> StubEngine:
        note("Reading nothing")
        time.sleep(self.load_seconds)
        return self._read(folder)

    def renew(self, engine: StubEngine, folder: Path) -> StubEngine:
        return self._read(folder)

    def _read(self, folder: Path) -> StubEngine:
        text = (folder / "config.json").read_text()
        if "damaged" in text:
            raise UserError(f"The checkpoint {folder} is damaged; fetch it again.")
        own = json.loads(text) if text.startswith('{"trained"') else {}
        if "size" in own:
            own["size"] = tuple(own["size"])
        return StubEngine(name=folder.name, **self.engine | own)

    def step_together(self, engines: list, controls: list) -> list:
        self.batches.append(len(engines))
        return [engine.step(control) for engine, control in zip(engines, controls, strict=True)]

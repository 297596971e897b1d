"""A backend without a model: what serving costs alone. Its worlds repeat their opening scenes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from worldmodel.checkpoint import load_checkpoint
from worldmodel.games.base import ControlSpace
from worldmodel.play.scene import Scene, load_scenes
from worldmodel.play.settings import Settings


@dataclass
class Repeater:
    """Has the interface of worldmodel.play.engine.Engine, and takes no time."""

    name: str
    title: str
    licence: str
    fps: float
    size: tuple[int, int]
    controls: ControlSpace
    scenes: tuple[Scene, ...]
    settings: Settings = field(default_factory=Settings)
    scene: Scene | None = None
    seed: int = 0
    frame_index: int = 0
    trained: int | None = None  # no world that is still being trained
    over: bool = False  # nor one whose levels end

    def reset(self, scene: Scene, seed: int) -> np.ndarray:
        self.scene, self.seed, self.frame_index = scene, seed, 0
        return scene.frames[-1]

    def step(self, controls: np.ndarray) -> np.ndarray:
        self.frame_index += 1
        return self.scene.frames[self.frame_index % len(self.scene.frames)]

    def snapshot(self) -> tuple[Any, ...]:
        return self.scene, self.seed, self.frame_index

    def restore(self, moment: tuple[Any, ...]) -> None:
        self.scene, self.seed, self.frame_index = moment

    def fork(self) -> "Repeater":
        return replace(self)


class StubBackend:
    """Loads repeaters that have a checkpoint's scenes, size and rate."""

    def __init__(self, fps: float | None = None) -> None:
        self.fps = fps

    def load(self, folder: Path, note: Callable[[str], None]) -> Repeater:
        config = load_checkpoint(folder).config
        size = config.tokenizer.height, config.tokenizer.width
        return Repeater(
            name=folder.name,
            title=config.title,
            licence=config.licence,
            fps=self.fps or config.fps,
            size=size,
            controls=config.controls,
            scenes=load_scenes(folder / "scenes", size, config.controls),
        )

    def step_together(
        self, engines: Sequence[Repeater], controls: Sequence[np.ndarray]
    ) -> list[np.ndarray]:
        return [engine.step(control) for engine, control in zip(engines, controls, strict=True)]

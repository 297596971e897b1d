"""The engine in the dress of a game: recorder, evaluator and player take either."""

from typing import Self

import numpy as np

from worldmodel.errors import UserError
from worldmodel.play.engine import Engine
from worldmodel.play.scene import Scene


class Dream:
    """A Game that is dreamed; `seed` chooses the noise and the scene. Its episodes end where the
    world tells that a level is over, and others never.

    With `scene`, every episode begins there. Raises UserError when there is no scene at all.
    """

    def __init__(self, engine: Engine, scene: Scene | None = None) -> None:
        self.scenes = (scene,) if scene is not None else engine.scenes
        if not self.scenes:
            raise UserError(
                f"the world {engine.name} has no opening scenes; write some into its folder "
                "scenes, or start from a picture"
            )
        self.engine = engine
        self.name = f"dream of {engine.name}"
        self.controls, self.fps, self.size = engine.controls, engine.fps, engine.size
        self.licence = engine.licence
        self.done = False
        self._frame = np.zeros((*engine.size, 3), np.uint8)

    def reset(self, seed: int) -> np.ndarray:
        """Begin an episode and return its first frame, uint8 [h w 3]."""
        self.done = False
        self._frame = self.engine.reset(self.scenes[seed % len(self.scenes)], seed)
        return self._frame

    def step(self, controls: np.ndarray) -> np.ndarray:
        """Apply a control, float32 [k], and return the frame it brings about, uint8 [h w 3].

        When the level was over with the last frame, the episode ends, and that is returned again.
        """
        self.done = self.engine.over
        if not self.done:
            self._frame = self.engine.step(controls)
        return self._frame

    def close(self) -> None:
        """There is nothing to free that forgetting the engine does not."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

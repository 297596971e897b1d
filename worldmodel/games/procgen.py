"""Procgen's CoinRun as a Game: a platformer whose levels are drawn from the seed, headless.

Cobbe et al. 2020, "Leveraging Procedural Generation to Benchmark Reinforcement Learning".
"""

import sys
from types import ModuleType
from typing import Any, Self
from warnings import catch_warnings, simplefilter

import numpy as np

from worldmodel.errors import UserError
from worldmodel.games.base import ControlSpace
from worldmodel.games.downscale import box_mean

CONTROLS = ControlSpace(
    buttons=("left", "right", "jump"),
    keymap={
        "ArrowLeft": "left",
        "KeyA": "left",
        "ArrowRight": "right",
        "KeyD": "right",
        "Space": "jump",
        "ArrowUp": "jump",
        "KeyW": "jump",
    },
    opposites=(("left", "right"),),
)
GAMES = ("coinrun",)
# Procgen's number for (left, right, jump)
ACTIONS = {
    (0, 0, 0): 4,
    (1, 0, 0): 1,
    (0, 1, 0): 7,
    (0, 0, 1): 5,
    (1, 0, 1): 2,
    (0, 1, 1): 8,
}
RENDERED = 512  # pixels along each side of the picture that Procgen draws
INSTALL = (
    "pip install cffi imageio filelock && pip install --no-deps procgen-mirror==0.10.7 gym3==0.3.3"
)


class Procgen:
    """One game of Procgen at 15 steps a second, one ground theme, all backgrounds.

    `size` is (height, width); a picture wider than high shows the middle of Procgen's square one.
    Raises UserError when Procgen is not installed, the game is unknown or the size is too large or
    higher than wide.
    """

    controls = CONTROLS
    fps = 15.0
    licence = "Procgen MIT; its art by Kenney (CC0) and others, listed in NOTICE"

    def __init__(self, game: str = "coinrun", size: tuple[int, int] = (96, 128)) -> None:
        height, width = size
        if game not in GAMES:
            raise UserError(f"There is no Procgen game {game!r}; choose one of {', '.join(GAMES)}.")
        if not 1 <= height <= width <= RENDERED:
            raise UserError(
                f"Procgen's frames are at most {RENDERED} wide and not higher than wide, but "
                f"{width}x{height} was asked for; choose for example 128x96."
            )
        self.name = f"procgen/{game}"
        self.game = game
        self.size = size
        self.done = True
        self._make = _environment()
        self._level: Any = None
        self._shadow: Any = None
        self._frame = np.zeros((*size, 3), np.uint8)

    def reset(self, seed: int) -> np.ndarray:
        """Begin the level of this seed (0 to 2^31 - 1); return its frame, uint8 [h w 3]."""
        self.close()
        self._level = self._open(seed, render_mode="rgb_array")
        self.done = False
        self._frame = self._picture()
        return self._frame.copy()

    def step(self, controls: np.ndarray) -> np.ndarray:
        """Hold the buttons of float32 [3] for a step; return the frame, uint8 [h w 3].

        The level ends at the coin, in lava, at a saw or enemy, and after 1,000 steps. Raises
        ValueError when it has ended.
        """
        if self.done:
            raise ValueError("The episode is over; call reset(seed) before the next step.")
        self.done = _act(self._level, controls)
        if not self.done:
            self._frame = self._picture()
        return self._frame.copy()

    def foresee(self, plan: np.ndarray) -> int:
        """Return after how many steps of a plan, float32 [t 3], the player would be lost.

        t + 1 when not: when the level would go on, or end at the coin. A copy of it is played.
        """
        if self._shadow is None:
            self._shadow = self._open(0)
        self._shadow.set_state(self._level.get_state())
        for count, controls in enumerate(plan, 1):
            if _act(self._shadow, controls):
                won = self._shadow.observe()[0][0] > 0
                return len(plan) + 1 if won else count
        return len(plan) + 1

    def close(self) -> None:
        """Free the level."""
        for level in (self._level, self._shadow):
            if level is not None:
                level.close()
        self._level = self._shadow = None
        self.done = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _open(self, seed: int, **options: Any) -> Any:
        return self._make(
            num=1,
            env_name=self.game,
            num_levels=1,
            start_level=seed,
            rand_seed=seed,
            num_threads=0,
            distribution_mode="hard",
            restrict_themes=True,
            **options,
        )

    def _picture(self) -> np.ndarray:
        height, width = self.size
        rows = RENDERED * height // width
        top = (RENDERED - rows) // 2
        return box_mean(self._level.get_info()[0]["rgb"][top : top + rows], self.size)


def _act(level: Any, controls: np.ndarray) -> bool:
    """Take a step; whether the level has ended in it."""
    left, right, jump = (int(value > 0.5) for value in controls)
    both = left and right
    level.act(np.array([ACTIONS[left and not both, right and not both, jump]], np.int32))
    return bool(level.observe()[2][0])


def _environment() -> Any:
    """Procgen's environment class; its registration with the retired package gym is left out."""
    name = "procgen.gym_registration"
    if name not in sys.modules:
        unused = ModuleType(name)
        unused.register_environments = lambda: None  # type: ignore[attr-defined]
        sys.modules[name] = unused
    try:
        with catch_warnings():
            simplefilter("ignore")  # an open file in its __init__
            from procgen import ProcgenGym3Env
    except ImportError as error:
        raise UserError(
            f"This needs the game Procgen for Python 3.11, which is not installed ({error}); "
            f"run {INSTALL}."
        ) from error
    return ProcgenGym3Env

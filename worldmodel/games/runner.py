"""A player for platformers: runs, jumps, turns back and rests, and looks before it leaps."""

from typing import Protocol

import numpy as np

from worldmodel.games.base import Game
from worldmodel.games.players import draw

TRIES = 8  # plans that are drawn before a bad one is taken
BEYOND = 14  # further steps, without keys, that a plan must survive


class Foreseeable(Game, Protocol):
    """A game that tells how a plan would end."""

    def foresee(self, plan: np.ndarray) -> int:
        """Return after how many steps of float32 [t k] the player would be lost; t + 1: not."""
        ...


class Runner:
    """Holds a direction for 2 to 20 steps and the jump key, now and then, for some of them.

    Nine plans in ten are tried on a copy of the game first, and drawn again when they would
    lose; some mistakes are left in, so that the data shows them.
    """

    name = "runner"
    care = 0.9  # share of the plans that are checked

    RUNS = ((("right",), 0.56), (("left",), 0.24), ((), 0.20))
    # first step of the jump key and steps that it is held, by kind of jump
    NO_JUMP, HOP, JUMP = 0.4, 0.2, 0.4

    def reset(self, seed: int) -> None:
        """Forget the last episode."""
        self._random = np.random.default_rng(seed)
        self._plan = np.zeros((0, 0), np.float32)

    def act(self, game: Foreseeable) -> np.ndarray:
        """Return the control, float32 [k], for the game's next step."""
        if len(self._plan) == 0:
            self._plan = self._choose(game)
        control, self._plan = self._plan[0], self._plan[1:]
        return control

    def _choose(self, game: Foreseeable) -> np.ndarray:
        plan = self._draw(game)
        if self._random.random() > self.care:
            return plan
        for _ in range(TRIES):
            rest = np.zeros((BEYOND, plan.shape[1]), np.float32)
            if game.foresee(np.concatenate((plan, rest))) > len(plan) + BEYOND:
                break
            plan = self._draw(game)
        return plan

    def _draw(self, game: Game) -> np.ndarray:
        """A plan, float32 [t k]."""
        run = draw(self._random, self.RUNS)
        length = int(self._random.integers(2, 21))
        kind = self._random.choice(3, p=(self.NO_JUMP, self.HOP, self.JUMP))
        start = int(self._random.integers(0, length))
        held = (0, int(self._random.integers(1, 4)), length)[kind]
        plan = [run + (("jump",) if start <= t < start + held else ()) for t in range(length)]
        return np.stack([game.controls.vector(buttons) for buttons in plan])


class Careless(Runner):
    """A runner who looks at nothing before it leaps: most of its levels end badly, as those of
    players do who hold keys that were meant for another level."""

    name = "careless"
    care = 0.0

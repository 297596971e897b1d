"""Who holds the keys: sticky random keys, and idling with turns on the spot."""

from typing import Protocol

import numpy as np

from worldmodel.games.base import Game


class Player(Protocol):
    """Chooses controls; its random draws come from its own seed, never from the game's."""

    name: str

    def reset(self, seed: int) -> None:
        """Forget the last episode."""
        ...

    def act(self, game: Game) -> np.ndarray:
        """Return the control, float32 [k], for the game's next step."""
        ...


class Sticky:
    """Draws a move, a strafe and a turn, and holds them for 2 to 16 steps."""

    name = "sticky"

    # a move's buttons and its share
    MOVES = (
        ((), 0.20),
        (("forward",), 0.26),
        (("backward",), 0.14),
        (("strafe_left",), 0.11),
        (("strafe_right",), 0.11),
        (("forward", "strafe_left"), 0.06),
        (("forward", "strafe_right"), 0.06),
        (("backward", "strafe_left"), 0.03),
        (("backward", "strafe_right"), 0.03),
    )
    TURNS = (((), 0.5), (("turn_left",), 0.25), (("turn_right",), 0.25))

    def reset(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self._left = 0

    def act(self, game: Game) -> np.ndarray:
        if self._left == 0:
            move, turn = draw(self._random, self.MOVES), draw(self._random, self.TURNS)
            self._held = game.controls.vector(move + turn)
            self._left = int(self._random.integers(2, 17))
        self._left -= 1
        return self._held.copy()


class Idle:
    """Stands still for 10 to 60 steps, turns on the spot for 3 to 40, and again."""

    name = "idle"

    def reset(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self._left = 0
        self._turning = bool(self._random.integers(2))

    def act(self, game: Game) -> np.ndarray:
        if self._left == 0:
            self._turning = not self._turning
            turn = ("turn_left", "turn_right")[self._random.integers(2)]
            self._held = game.controls.vector((turn,) if self._turning else ())
            low, high = (3, 41) if self._turning else (10, 61)
            self._left = int(self._random.integers(low, high))
        self._left -= 1
        return self._held.copy()


def draw(
    random: np.random.Generator, choices: tuple[tuple[tuple[str, ...], float], ...]
) -> tuple[str, ...]:
    """Draw one of (value, share) pairs in proportion to its share."""
    shares = np.array([share for _, share in choices])
    return choices[random.choice(len(choices), p=shares / shares.sum())][0]

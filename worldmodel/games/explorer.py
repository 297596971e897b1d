"""A player that walks towards rarely visited places and moves as a person would."""

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from worldmodel.games.base import Game
from worldmodel.games.floorplan import Floorplan

# the keys for going in a direction seen from the view, counter-clockwise in steps of 45 degrees
COMPASS = (
    ("forward",),
    ("forward", "strafe_left"),
    ("strafe_left",),
    ("backward", "strafe_left"),
    ("backward",),
    ("backward", "strafe_right"),
    ("strafe_right",),
    ("forward", "strafe_right"),
)
BLOCK = 4  # cells along the side of a place whose visits are counted
REACH = 10  # cells that a walker looks ahead
SHORTEST_HOLD = 4  # steps that moving keys stay as they are
# how often each habit is taken up
HABITS = {"ahead": 0.5, "aside": 0.18, "back": 0.08, "look": 0.16, "rest": 0.08}


class Walkable(Game, Protocol):
    """A game that tells where the player stands and where the walls are."""

    pose: tuple[float, float, float]
    walls: np.ndarray
    items: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Habit:
    """One way of moving for a while: walking or standing, and where the eyes point.

    `gaze` is in degrees: relative to the way when walking, to the present view when standing.
    """

    walking: bool
    gaze: float
    steps: int


class Explorer:
    """Plans to rarely visited places; looks ahead, aside or back while walking; looks around.

    Keys are held for stretches: a turn starts when the view is 28 degrees off and ends within 6,
    moving keys change when the way is 35 degrees off, every fourth step at most. Needs
    a game with a pose, walls and items.
    """

    name = "explorer"

    def reset(self, seed: int) -> None:
        """Forget the map and the last episode."""
        self._random = np.random.default_rng(seed)
        self._plan: Floorplan | None = None
        self._habit = Habit(walking=True, gaze=0.0, steps=0)
        self._turn: tuple[str, ...] = ()
        self._move: tuple[str, ...] = ()
        self._held = 0
        self._stuck = 0
        self._last = np.zeros(2)

    def act(self, game: Walkable) -> np.ndarray:
        """Return the control, float32 [k], for the game's next step."""
        x, y, view = game.pose
        position = np.array([x, y])
        if self._plan is None:
            self._begin(Floorplan(game.walls, game.items))
        cell = self._notice(position)
        if self._habit.steps == 0:
            self._habit = _new_habit(self._random)
            self._aim = view + self._habit.gaze
        self._habit = replace(self._habit, steps=self._habit.steps - 1)
        if self._habit.walking:
            self._walk(cell, position, view)
        else:
            self._move, self._held = (), 0
            self._look(self._aim - view)
        return game.controls.vector(self._move + self._turn)

    def _begin(self, plan: Floorplan) -> None:
        self._plan = plan
        self._visits = np.zeros([n // BLOCK + 1 for n in plan.shape])
        self._choose_target()

    def _notice(self, position: np.ndarray) -> tuple[int, int]:
        """Count the visit; choose another target on arrival or when walking leads nowhere."""
        cell = self._plan.cell(position)
        self._visits[cell[0] // BLOCK, cell[1] // BLOCK] += 1
        still = np.linalg.norm(position - self._last) < 2.0 and self._move != ()
        self._stuck = self._stuck + 1 if still else 0
        self._last = position
        if self._distance[cell] <= 2 or self._stuck > 6:
            self._stuck = 0
            self._choose_target()
        return cell

    def _choose_target(self) -> None:
        cells = np.argwhere(self._plan.free)
        weight = (1.0 + self._visits[cells[:, 0] // BLOCK, cells[:, 1] // BLOCK]) ** -2.0
        target = cells[self._random.choice(len(cells), p=weight / weight.sum())]
        self._distance = self._plan.distances((int(target[0]), int(target[1])))
        self._waypoint = None

    def _walk(self, cell: tuple[int, int], position: np.ndarray, view: float) -> None:
        ahead = self._plan.centre(self._goal(cell)) - position
        way = float(np.degrees(np.arctan2(ahead[1], ahead[0])))
        self._look(way + self._habit.gaze - view)
        relative = _wrap(way - view)
        self._held += 1
        if self._move:
            off = abs(_wrap(relative - 45.0 * COMPASS.index(self._move)))
            if off < 35.0 or self._held < SHORTEST_HOLD:
                return
        self._move, self._held = COMPASS[round(relative / 45.0) % 8], 0

    def _goal(self, cell: tuple[int, int]) -> tuple[int, int]:
        """The cell walked to: kept until it is near or hidden, so that the way stays straight."""
        goal = self._waypoint
        if goal is not None and (goal == cell or max(abs(np.subtract(goal, cell))) <= 1):
            goal = None
        if goal is None or not self._plan.sees(cell, goal):
            self._waypoint = self._plan.waypoint(cell, self._distance, REACH)
        return self._waypoint

    def _look(self, error: float) -> None:
        """Hold the turn key that reduces the angle to look at; `error` is in degrees."""
        error = _wrap(error)
        wanted = ("turn_left",) if error > 0 else ("turn_right",)
        keep = self._turn == wanted and abs(error) > 6.0
        self._turn = wanted if keep or abs(error) > 28.0 else ()


def _new_habit(random: np.random.Generator) -> Habit:
    side = float(random.choice((-1.0, 1.0)))
    kind = random.choice(tuple(HABITS), p=tuple(HABITS.values()))
    if kind == "look":
        gaze = side * float(random.uniform(30, 200))
        return Habit(walking=False, gaze=gaze, steps=2 + round(abs(gaze) / 6.5))
    if kind == "rest":
        return Habit(walking=False, gaze=0.0, steps=int(random.integers(4, 20)))
    gaze = {"ahead": 0.0, "aside": side * random.uniform(40, 110), "back": side * 170.0}[kind]
    longest = {"ahead": 70, "aside": 35, "back": 25}[kind]
    return Habit(walking=True, gaze=float(gaze), steps=int(random.integers(12, longest)))


def _wrap(degrees: float) -> float:
    return (degrees + 180.0) % 360.0 - 180.0

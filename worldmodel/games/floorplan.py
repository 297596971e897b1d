"""Where a walker of some radius can stand on a map of walls, and the way from there to there."""

from collections import deque
from collections.abc import Iterable

import numpy as np

from worldmodel.errors import UserError

CELL = 16.0  # map units


class Floorplan:
    """A grid of free cells, cut from walls float32 [n 4] (x1, y1, x2, y2) in map units.

    A cell is free when its centre keeps `clearance` from every wall and `berth` from every item,
    and can be walked to from most of the other free cells. Raises UserError when none is free.
    """

    def __init__(
        self, walls: np.ndarray, items: np.ndarray, clearance: float = 20.0, berth: float = 56.0
    ) -> None:
        self.origin = walls.reshape(-1, 2).min(0)
        extent = walls.reshape(-1, 2).max(0) - self.origin
        self.shape = (int(extent[0] // CELL) + 1, int(extent[1] // CELL) + 1)
        centres = self.centre(np.stack(np.indices(self.shape), -1))  # a, c, 2
        self.free = np.ones(self.shape, bool)
        for wall in walls:
            self.free &= _distance_to_segment(centres, wall) >= clearance
        for item in items:
            self.free &= np.linalg.norm(centres - item, axis=-1) >= berth
        self.free = _largest_part(self.free)
        if not self.free.any():
            raise UserError(
                "The explorer finds no place to stand on this map; choose another scenario."
            )

    def centre(self, cell: np.ndarray | tuple[int, int]) -> np.ndarray:
        """Return the middle of cells [... 2] in map units."""
        return self.origin + (np.asarray(cell) + 0.5) * CELL

    def cell(self, position: np.ndarray) -> tuple[int, int]:
        """Return the free cell nearest to a position [2] in map units."""
        guess = np.floor((np.asarray(position) - self.origin) / CELL).astype(int)
        guess = np.clip(guess, 0, np.array(self.shape) - 1)
        if self.free[tuple(guess)]:
            return int(guess[0]), int(guess[1])
        cells = np.argwhere(self.free)
        nearest = cells[np.linalg.norm(cells - guess, axis=1).argmin()]
        return int(nearest[0]), int(nearest[1])

    def distances(self, target: tuple[int, int]) -> np.ndarray:
        """Return int32 [a c]: steps from each cell to the target, -1 where there is no way."""
        return _flood(self.free, target)

    def waypoint(self, start: tuple[int, int], distance: np.ndarray, reach: int) -> tuple[int, int]:
        """Return the farthest cell in a straight free line that leads down `distance`, within
        `reach` steps of the start."""
        best = here = start
        for _ in range(reach):
            here = min(_neighbours(here, self.free), key=lambda c: distance[c], default=here)
            if distance[here] >= distance[best] and here != best:
                break
            if not self.sees(start, here):
                break
            best = here
            if distance[here] == 0:
                break
        return best

    def sees(self, a: tuple[int, int], b: tuple[int, int]) -> bool:
        """Tell whether the straight line between two cells stays on free cells."""
        steps = 2 * max(abs(a[0] - b[0]), abs(a[1] - b[1]), 1)
        line = np.linspace(a, b, steps + 1).round().astype(int)
        return bool(self.free[line[:, 0], line[:, 1]].all())


def _distance_to_segment(points: np.ndarray, wall: np.ndarray) -> np.ndarray:
    start, along = wall[:2], wall[2:] - wall[:2]
    length = float(along @ along) or 1.0
    share = np.clip((points - start) @ along / length, 0, 1)
    return np.linalg.norm(points - (start + share[..., None] * along), axis=-1)


def _neighbours(cell: tuple[int, int], free: np.ndarray) -> Iterable[tuple[int, int]]:
    for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        x, y = cell[0] + dx, cell[1] + dy
        if 0 <= x < free.shape[0] and 0 <= y < free.shape[1] and free[x, y]:
            yield x, y


def _flood(free: np.ndarray, start: tuple[int, int]) -> np.ndarray:
    distance = np.full(free.shape, -1, np.int32)
    distance[start] = 0
    frontier = deque([start])
    while frontier:
        cell = frontier.popleft()
        for other in _neighbours(cell, free):
            if distance[other] < 0:
                distance[other] = distance[cell] + 1
                frontier.append(other)
    return distance


def _largest_part(free: np.ndarray) -> np.ndarray:
    """The biggest connected part: cells outside the walls and sealed corners drop out."""
    border = np.ones_like(free)
    border[1:-1, 1:-1] = False  # a map's outside touches the border of the grid, its rooms do not
    left, best = free.copy(), np.zeros_like(free)
    while left.any():
        part = _flood(left, tuple(np.argwhere(left)[0])) >= 0
        left &= ~part
        if part.sum() > best.sum() and not (part & border).any():
            best = part
    return best

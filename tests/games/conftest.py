"""A flat world of two rooms, walked without any engine."""

import numpy as np
import pytest

from worldmodel.games.vizdoom import CONTROLS

# two rooms of 160 by 160 with a door of 64 between them; an item in the second room's corner
WALLS = np.array(
    [
        (0, 0, 320, 0),
        (320, 0, 320, 160),
        (320, 160, 0, 160),
        (0, 160, 0, 0),
        (160, 0, 160, 48),
        (160, 112, 160, 160),
    ],
    np.float32,
)
ITEMS = np.array([(300, 20)], np.float32)


class TwoRooms:
    """Moves 8 units and turns 7 degrees a step, and stops at the walls of the plan."""

    controls, walls, items = CONTROLS, WALLS, ITEMS

    def __init__(self):
        self.pose = (40.0, 40.0, 90.0)

    def step(self, controls):
        forward, backward, left, right, turn_left, turn_right = controls
        x, y, angle = self.pose
        ahead = np.radians(angle)
        x += 8 * ((forward - backward) * np.cos(ahead) - (left - right) * np.sin(ahead))
        y += 8 * ((forward - backward) * np.sin(ahead) + (left - right) * np.cos(ahead))
        if not self.inside(x, y):
            x, y = self.pose[:2]
        self.pose = (x, y, (angle + 7 * (turn_left - turn_right)) % 360)

    @staticmethod
    def inside(x, y):
        in_door = 48 + 16 <= y <= 112 - 16
        near_middle = 160 - 16 < x < 160 + 16
        return 16 <= x <= 304 and 16 <= y <= 144 and (in_door or not near_middle)


@pytest.fixture
def two_rooms():
    return TwoRooms()

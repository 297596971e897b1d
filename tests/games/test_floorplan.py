"""Where one can stand between walls, and the way through a door."""

import numpy as np
import pytest

from worldmodel.errors import UserError
from worldmodel.games.floorplan import Floorplan


@pytest.fixture
def plan(two_rooms):
    return Floorplan(two_rooms.walls, two_rooms.items)


def test_free_cells_keep_away_from_walls_and_items(plan, two_rooms):
    for x, y in plan.centre(np.argwhere(plan.free)):
        assert two_rooms.inside(x, y)
        assert np.hypot(x - 300, y - 20) >= 56


def test_the_way_leads_through_the_door(plan):
    left, right = plan.cell(np.array([40.0, 24.0])), plan.cell(np.array([216.0, 24.0]))
    distance = plan.distances(right)
    here, rows = left, []
    while here != right:
        there = plan.waypoint(here, distance, reach=6)
        assert distance[there] < distance[here] and plan.sees(here, there)
        here = there
        rows.append(here)
    assert not plan.sees(left, right)
    assert len(rows) >= 2


def test_a_position_in_a_wall_belongs_to_the_nearest_free_cell(plan):
    assert plan.free[plan.cell(np.array([160.0, 10.0]))]
    assert plan.free[plan.cell(np.array([-500.0, 900.0]))]


def test_a_map_without_a_place_to_stand_is_refused():
    closet = np.array([(0, 0, 20, 0), (20, 0, 20, 20), (20, 20, 0, 20), (0, 20, 0, 0)], np.float32)
    with pytest.raises(UserError, match="no place to stand"):
        Floorplan(closet, np.zeros((0, 2), np.float32))

"""Camera: what a pixel shows lies where a ray from the eye meets it, and moves as told."""

import pytest
import torch
from room import CAMERA, EYE, WALLS

from worldmodel.model.camera import Camera

HERE = torch.tensor([40.0, 50.0, 20.0, EYE])


@pytest.fixture
def camera():
    return Camera(CAMERA)


@pytest.fixture
def walls():
    return torch.as_tensor(WALLS)


def seen(camera, walls, pose):
    """How far off all is [H W] from a pose [4]."""
    return camera.depths(pose[3], camera.walls(pose[None], walls)[0])


def places(camera, pose, depths):
    """Where on the map [H W 2] and at which heights [H W] what is so far off is."""
    on_map = pose[:2] + depths[..., None] * camera.rays(pose)
    return on_map, pose[3] - camera.y[:, None] * depths


def projected(camera, pose, on_map, heights):
    """Pixels to the right and down [2 ...] at which places are seen from a pose, by angles."""
    to = on_map - pose[:2]
    far, turn = to.norm(dim=-1), torch.atan2(to[..., 1], to[..., 0]) - pose[2].deg2rad()
    ahead = far * turn.cos()
    across = -far * turn.sin() / ahead * camera.config.across
    return torch.stack([across, (pose[3] - heights) / ahead * camera.config.down])


def test_a_wall_ahead_is_as_far_off_as_it_stands(camera, walls):
    east, north = (torch.tensor([[40.0, 50.0, angle, EYE]]) for angle in (0.0, 90.0))
    assert camera.walls(east, walls)[0, 24:34].tolist() == pytest.approx([120] * 10)  # flat
    assert camera.walls(north, walls)[0, 16:24].tolist() == pytest.approx([110] * 8)


def test_a_pillar_stands_before_the_wall(camera, walls):
    pose = torch.tensor([[40.0, 100.0, 0.0, EYE]])
    far = camera.walls(pose, walls)[0]
    assert far[23:25].tolist() == pytest.approx([50, 50]) and far[0] == pytest.approx(
        60 / (23.5 / 24)
    )


def test_the_floor_ends_where_the_wall_begins(camera, walls):
    depths = seen(camera, walls, torch.tensor([40.0, 50.0, 0.0, EYE]))
    assert depths[-1, 30] == pytest.approx(120)  # the floor begins farther off
    near = torch.tensor([130.0, 50.0, 180.0, EYE])
    depths = seen(camera, walls, near)[:, 24]
    assert depths[0] == pytest.approx(130) and depths[8] == pytest.approx(130)
    low = torch.tensor([40.0, 50.0, 0.0, 10.0])
    depths = seen(camera, walls, low)[:, 30]
    assert depths[-1] == pytest.approx(10 / (7.5 / 28.8), rel=1e-4) and depths[0] == pytest.approx(
        120
    )


def test_what_is_seen_is_seen_where_it_is(camera, walls):
    """The same pixels by two roads: rays that go out, and places that are looked at."""
    on_map, heights = places(camera, HERE, seen(camera, walls, HERE))
    right, down = projected(camera, HERE, on_map, heights)
    assert torch.allclose(right, (camera.x * 24).expand(16, 48), atol=1e-3)
    assert torch.allclose(down, (camera.y * 28.8)[:, None].expand(16, 48), atol=1e-3)


@pytest.mark.parametrize(
    ("direction", "change"),
    list(enumerate([(0.9397, 0.342, 0, 0), (0.342, -0.9397, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1)])),
)
def test_slopes_say_how_pixels_move_when_the_eye_does(camera, walls, direction, change):
    depths = seen(camera, walls, HERE)
    there = places(camera, HERE, depths)
    little = 0.01 * torch.tensor(change)
    moved = projected(camera, HERE + little, *there) - projected(camera, HERE, *there)
    told = torch.stack(camera.slopes(depths))[:, direction]
    assert torch.allclose(moved / 0.01, told, atol=0.02)


def test_a_smaller_camera_sees_the_same_room(camera, walls):
    depths, half = seen(camera, walls, HERE), seen(camera.smaller(2), walls, HERE)
    pooled = torch.nn.functional.avg_pool2d(depths[None], 2)[0]
    assert half.shape == (8, 24) and ((half - pooled).abs() / pooled).median() < 0.02

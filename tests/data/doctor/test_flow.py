"""Small pictures are means of pixels, and flow has the size and direction of the movement."""

import numpy as np
import pytest
from panorama import view

from worldmodel.data.doctor.flow import block_change, grey, grid_of, image_flow, shrink


def test_small_pictures_are_means():
    frames = np.random.default_rng(0).integers(0, 255, (2, 12, 16, 3), dtype=np.uint8)
    expected = frames.reshape(2, 6, 2, 8, 2, 3).mean((2, 4))
    np.testing.assert_allclose(shrink(frames, (6, 8)), expected, rtol=1e-5)


def test_sizes_that_do_not_divide_keep_the_mean():
    frames = np.random.default_rng(0).integers(0, 255, (1, 13, 17, 3), dtype=np.uint8)
    assert shrink(frames, (5, 7)).mean() == pytest.approx(frames.mean(), rel=1e-5)


def test_the_grid_keeps_the_shape_of_the_frame():
    assert grid_of((96, 128)) == (24, 32) and grid_of((720, 1280)) == (18, 32)
    assert grid_of((16, 20)) == (16, 20)


@pytest.mark.parametrize(("dx", "dy"), [(1, 0), (-1, 0), (0, 1), (0.5, -0.5)])
def test_flow_is_the_movement_of_the_picture(dx, dy):
    small = grey(np.stack([view(50, 40, 1.0), view(50 - dx, 40 - dy, 1.0)]).astype(np.float32))
    flow = image_flow(small)[0].reshape(2, -1)
    np.testing.assert_allclose(flow.mean(1), [dx, dy], atol=0.25)


def test_a_picture_without_texture_stands_still():
    small = np.stack([np.full((24, 32), 50.0), np.full((24, 32), 60.0)]).astype(np.float32)
    assert np.abs(image_flow(small)).max() < 1e-3
    np.testing.assert_allclose(block_change(small), 10, rtol=1e-5)

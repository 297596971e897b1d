"""Optical flow: what has been pushed is measured to have been pushed."""

import pytest
import torch
import torch.nn.functional as F

from worldmodel.model.optical_flow import measured
from worldmodel.model.warp import moved

SIZE = (24, 32)  # flow vectors of a picture of 96x128
HALF = torch.tensor([64.0, 48.0]).view(1, 2, 1, 1)


def landscape(seed):
    """Soft blobs [1 3 160 200], larger than a picture."""
    draw = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 20, 25, generator=draw)
    return F.interpolate(coarse, size=(160, 200), mode="bicubic").clamp(0, 1)


def view(seed, x, y):
    """The picture [1 3 96 128] that begins at such a place of a landscape."""
    return landscape(seed)[..., y : y + 96, x : x + 128]


@pytest.mark.parametrize("way", [(3, 0), (-7, 2), (12, -4), (24, 8)])
def test_a_pushed_view_is_measured_to_a_fraction_of_a_pixel(way):
    before, after = view(0, 30, 20), view(0, 30 + way[0], 20 + way[1])
    found = (measured(before, after, SIZE) * HALF)[0, :, 8:16, 12:20]
    for axis in (0, 1):
        assert found[axis].mean() == pytest.approx(way[axis], abs=0.5)


def test_the_picture_before_moved_along_it_is_the_picture_after():
    before, after = view(1, 30, 20), view(1, 38, 18)
    found = moved(before, measured(before, after, SIZE))
    inner = (..., slice(16, 80), slice(16, 112))
    assert F.mse_loss(found[inner], after[inner]) < 0.02 * F.mse_loss(before[inner], after[inner])


def test_where_nothing_moves_nothing_is_measured():
    assert measured(view(2, 9, 9), view(2, 9, 9), SIZE).abs().max() < 1e-6


def test_pictures_of_a_batch_are_measured_each_by_itself():
    before = torch.cat([view(3, 30, 20), view(4, 30, 20)])
    after = torch.cat([view(3, 33, 20), view(4, 24, 22)])
    together = measured(before, after, SIZE)
    for i in range(2):
        alone = measured(before[i : i + 1], after[i : i + 1], SIZE)
        torch.testing.assert_close(together[i : i + 1], alone, rtol=1e-4, atol=1e-5)

"""Detail: kept where it was seen and agrees with what is dreamed, and through many small moves."""

import pytest
import torch
import torch.nn.functional as F

from worldmodel.model.detail import nudged, sampled_sharply, with_detail
from worldmodel.model.warp import centres, sampled, shrunk
from worldmodel.play.graph import trace

GRID, SIZE = (2, 3), (16, 24)


def texture(seed=0):
    """Pictures [1 3 16 24] whose mean over each place of 8x8 pixels is one half."""
    noise = 0.2 * torch.rand(1, 3, *SIZE, generator=torch.Generator().manual_seed(seed))
    means = torch.nn.functional.adaptive_avg_pool2d(noise, GRID)
    return 0.5 + noise - torch.nn.functional.interpolate(means, scale_factor=8.0)


def test_where_both_agree_the_moved_picture_is_shown():
    flat, moved = torch.full((1, 3, *SIZE), 0.5), texture()
    shown = with_detail(flat, moved, torch.ones(1, 6), GRID)
    torch.testing.assert_close(shown, moved, atol=0.03, rtol=0)
    torch.testing.assert_close(with_detail(moved, moved, torch.ones(1, 6), GRID), moved)


def test_colours_are_those_of_the_decoded_picture():
    darker, moved = torch.full((1, 3, *SIZE), 0.48), texture()
    shown = with_detail(darker, moved, torch.ones(1, 6), GRID)
    assert abs(float(shown.mean()) - 0.48) < 1e-3
    assert shown.std() > 0.8 * moved.std()


def test_a_steady_picture_keeps_colours_that_are_nearly_the_same():
    moved, known = texture(), torch.ones(1, 6)
    for darker, kept in ((0.48, 0.5), (0.2, 0.2)):
        decoded = torch.full((1, 3, *SIZE), darker)
        shown = with_detail(decoded, moved, known, GRID, steady=True)
        assert abs(float(shown.mean()) - kept) < 0.01
    new = with_detail(decoded, moved, 0 * known, GRID, steady=True)
    assert torch.equal(new, decoded)


def test_what_is_new_is_as_decoded():
    decoded, moved = texture(1), texture(2)
    torch.testing.assert_close(with_detail(decoded, moved, torch.zeros(1, 6), GRID), decoded)
    flat, partly = torch.full((1, 3, *SIZE), 0.5), torch.tensor([[1.0, 1, 0, 1, 1, 0]])
    half = with_detail(flat, moved, partly, GRID)
    torch.testing.assert_close(half[..., :8], moved[..., :8], atol=0.03, rtol=0)
    torch.testing.assert_close(half[..., -4:], flat[..., -4:])


def test_what_is_dreamed_otherwise_gives_up_its_detail():
    decoded, moved = torch.ones(1, 3, *SIZE), 0.2 * texture()
    shown = with_detail(decoded, moved, torch.ones(1, 6), GRID)
    torch.testing.assert_close(shown, decoded, atol=0.01, rtol=0)


def test_waves_outlive_many_half_pixel_moves():
    """A wave of eight pixels, moved by half a pixel forty times: linear sampling loses it."""
    wave = (0.5 + 0.4 * torch.sin(torch.arange(64) * torch.pi / 4)).expand(1, 3, 8, 64)
    at = centres(8, 64) + torch.tensor([1 / 64, 0.0]).view(1, 2, 1, 1)
    linear, sharp = wave, wave
    for _ in range(40):
        linear, sharp = sampled(linear, at), sampled_sharply(sharp, at)
    inside = (..., slice(8, 32))
    kept = [float(x[inside].std() / wave[inside].std()) for x in (linear, sharp)]
    assert kept[0] < 0.1 and 0.7 < kept[1] <= 1.01


@pytest.mark.parametrize("by", [(0.0, 0.0), (0.5, 0.0), (0.0, -0.31), (-0.5, 0.2), (1.0, -1.0)])
def test_what_goes_one_way_is_sampled_as_a_matrix_product_too(by):
    """By two roads, edges too."""
    pictures, by = 0.4 + 0.2 * torch.rand(2, 3, 16, 48), torch.tensor([by, by[::-1]])
    torch.testing.assert_close(nudged(pictures, by), nudged_freely(pictures, by))


def test_half_way_between_two_pixels_both_ways_of_sampling_agree():
    pictures, by = 0.4 + 0.2 * torch.rand(1, 3, 16, 48), torch.tensor([[0.5, 0.0]])
    at = centres(16, 48) + torch.tensor([0.5 / 24, 0.0]).view(1, 2, 1, 1)
    torch.testing.assert_close(nudged(pictures, by), sampled_sharply(pictures, at))


def nudged_freely(pictures, by):
    """By its definition: each pixel from the sixteen around the place that it comes from."""
    pad, out = F.pad(pictures, (3, 3, 3, 3), mode="replicate"), torch.zeros_like(pictures)
    for b, (right, down) in enumerate(by.tolist()):
        for y in range(-3, 4):
            for x in range(-3, 4):
                part = pad[b, :, 3 + y : 19 + y, 3 + x : 51 + x]
                out[b] += kernel(y - down) * kernel(x - right) * part
    return out


def kernel(far):
    """Catmull and Rom's (Keys 1981, a = -1/2)."""
    far = abs(far)
    if far < 1:
        return 1.5 * far**3 - 2.5 * far**2 + 1
    return -0.5 * far**3 + 2.5 * far**2 - 4 * far + 2 if far < 2 else 0.0


@pytest.mark.filterwarnings("ignore:.*torch.jit")
def test_a_part_of_a_picture_shrinks_to_its_mean_in_a_graph_too():
    pictures = torch.rand(2, 3, 16, 48)
    traced = trace(lambda x: (shrunk(x, (2, 6)),), [pictures])
    torch.testing.assert_close(traced(pictures)[0], F.avg_pool2d(pictures, 8))
    torch.testing.assert_close(shrunk(pictures, (2, 6)), F.avg_pool2d(pictures, 8))

"""Detail: kept where it was seen and agrees with what is dreamed, and through many small moves."""

import torch

from worldmodel.model.detail import sampled_sharply, with_detail
from worldmodel.model.warp import centres, sampled

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

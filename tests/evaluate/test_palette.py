"""How far colours are apart, wherever they are."""

import numpy as np
import pytest
import torch

from worldmodel.evaluate.palette import DIRECTIONS, LEVELS, palettes_apart


def test_pictures_whose_pixels_are_shuffled_have_the_same_colours():
    pictures = torch.rand(2, 3, 4, 6)
    whole = pictures.repeat_interleave(2, dim=-1).repeat_interleave(2, dim=-2)
    turned = whole.flip(-1).roll(4, dims=-2)
    torch.testing.assert_close(palettes_apart(whole, turned), torch.zeros(2))


def test_one_colour_is_as_far_from_another_as_its_shadows_are():
    """By another road: the mean over directions of how far the two are apart along each."""
    a, b = (torch.full((1, 3, 4, 4), level) for level in (0.2, 0.6))
    draw = torch.Generator().manual_seed(0)
    ways = torch.randn(DIRECTIONS, 3, generator=draw).numpy()
    ways /= np.linalg.norm(ways, axis=1, keepdims=True)
    expected = LEVELS * 0.4 * np.abs(ways.sum(axis=1)).mean()
    assert float(palettes_apart(a, b)) == pytest.approx(expected, rel=1e-5)


def test_half_a_picture_of_another_colour_is_half_as_far():
    a, b = torch.zeros(1, 3, 4, 4), torch.ones(1, 3, 4, 4)
    half = torch.cat([a[..., :2], b[..., 2:]], dim=-1)
    assert float(palettes_apart(a, half)) == pytest.approx(float(palettes_apart(a, b)) / 2)

"""The small picture is the mean of the large one's boxes."""

import numpy as np

from worldmodel.games.downscale import box_mean


def noise(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def test_a_multiple_gives_the_exact_mean_rounded_half_up():
    large = noise(24, 32, 3)
    mean = large.reshape(6, 4, 8, 4, 3).astype(float).mean((1, 3))
    np.testing.assert_array_equal(box_mean(large, (6, 8)), np.floor(mean + 0.5))


def test_large_boxes_of_white_do_not_overflow():
    white = np.full((96, 128, 3), 255, np.uint8)
    assert (box_mean(white, (3, 4)) == 255).all()


def test_other_ratios_weigh_border_pixels_by_area():
    columns = np.array([0, 90, 240], np.uint8)
    picture = np.repeat(np.repeat(columns[None, :, None], 3, 0), 3, 2)  # 3, 3, 3
    small = box_mean(picture, (2, 2))
    assert small[0, :, 0].tolist() == [30, 190]  # (0 + 90 / 2) / 1.5 and (90 / 2 + 240) / 1.5


def test_both_ways_of_computing_agree():
    large = noise(12, 12, 3)
    doubled = large.repeat(2, 0).repeat(2, 1)  # 24, 24, 3
    fractional, exact = box_mean(large, (8, 8)), box_mean(doubled, (8, 8))
    assert np.abs(fractional.astype(int) - exact).max() <= 1


def test_the_same_size_is_a_copy():
    picture = noise(4, 4, 3)
    copy = box_mean(picture, (4, 4))
    assert (copy == picture).all() and copy is not picture

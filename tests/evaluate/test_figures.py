"""Figures: their intervals hold the truth, and everything of a clip is drawn together."""

import math

import numpy as np
import pytest

from worldmodel.evaluate.figures import Section, bootstrap, ratio_of_means
from worldmodel.evaluate.lines import mean_line, side_by_side, strip


def test_a_mean_with_what_it_rests_on():
    figure = bootstrap(np.arange(12.0).reshape(4, 3), unit="dB", frames=3, seeds=[5, 5, 6, 7])
    assert (figure.value, figure.unit) == (5.5, "dB")
    assert (figure.clips, figure.frames, figure.seeds) == (4, 12, 3)
    assert figure.low < 5.5 < figure.high and "dB" in str(figure)


def test_intervals_hold_the_truth_as_often_as_they_say():
    draw = np.random.default_rng(0)
    found = [bootstrap(draw.exponential(size=60)) for _ in range(100)]
    assert 88 <= sum(f.low <= 1 <= f.high for f in found) <= 99


def test_samples_are_drawn_together():
    """Halves of each other: a ratio that no resampling can change."""
    values = np.random.default_rng(0).random(20) + 0.1
    figure = bootstrap(2 * values, values, statistic=ratio_of_means)
    assert (figure.value, figure.low, figure.high) == pytest.approx((2, 2, 2))
    with pytest.raises(ValueError, match="cannot be drawn together"):
        bootstrap(values, values[1:], statistic=ratio_of_means)


def test_nothing_is_not_a_number():
    assert math.isnan(bootstrap(np.zeros((0, 3))).value)


def test_a_line_is_the_figures_at_each_point():
    values = np.random.default_rng(0).random((30, 2))
    line = mean_line("a", np.array([1, 5]), values)
    for i in range(2):
        figure = bootstrap(values[:, i])
        assert line.y[i] == pytest.approx(figure.value)
        assert (line.low[i], line.high[i]) == pytest.approx((figure.low, figure.high))
    assert line.x == (1.0, 5.0)


def test_a_line_leaves_out_what_does_not_count():
    values = np.array([[1.0, 2.0, 9.0], [3.0, 100.0, 9.0]])
    where = np.array([[True, True, False], [True, False, False]])
    line = mean_line("a", np.arange(3), values, where)
    assert line.x == (0.0, 1.0) and line.y == (2.0, 2.0)
    assert mean_line("b", np.arange(3), values, where & False).y == ()


def test_strips_and_films():
    frames = np.zeros((3, 4, 6, 3), np.uint8)
    assert strip([frames, frames]).shape == (4 + 2 + 4, 6 * 3 + 2 * 2, 3)
    assert side_by_side(frames, frames).shape == (3, 4, 14, 3)


def test_a_section_without_its_pictures_is_json():
    section = Section(title="T", text="t", figures={"a": bootstrap(np.ones(3))})
    assert section.as_json()["figures"]["a"]["value"] == 1.0

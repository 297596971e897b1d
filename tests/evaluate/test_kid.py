"""KID is the unbiased squared discrepancy: by hand, by a known answer, with honest intervals."""

import numpy as np
import pytest
import torch

from worldmodel.evaluate import kid


def features(clips, frames=3, size=6, shift=0.0, seed=0):
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(clips, frames, size, generator=draw) + shift


def test_it_is_the_sum_over_pairs_of_different_clips():
    x, y = features(4, seed=1), features(4, seed=2)
    total, count = 0.0, 0
    for i in range(4):
        for j in range(4):
            for a in range(3) if i != j else ():
                for b in range(3):
                    k = [
                        (float(p.double() @ q.double()) / 6 + 1) ** 3
                        for p, q in (
                            (x[i, a], x[j, b]), (y[i, a], y[j, b]), (x[i, a], y[j, b]),
                            (y[i, a], x[j, b]),
                        )
                    ]  # fmt: skip
                    total, count = total + k[0] + k[1] - k[2] - k[3], count + 1
    found = kid.squared_discrepancy(kid.clip_pairs(x, y))
    assert found == pytest.approx(total / count, rel=1e-6)


def test_a_copy_has_nothing():
    x = features(6)
    assert kid.squared_discrepancy(kid.clip_pairs(x, x)) == 0
    figure = kid.kid(kid.clip_pairs(x, x), frames=3, seeds=np.arange(6))
    assert (figure.value, figure.low, figure.high) == (0, 0, 0)
    assert (figure.clips, figure.frames, figure.seeds) == (6, 18, 6)


def test_it_is_unbiased():
    """Two samples of one distribution: over many draws nothing remains, from however few clips."""
    values = [
        kid.squared_discrepancy(
            kid.clip_pairs(features(5, seed=2 * i), features(5, seed=2 * i + 1))
        )
        for i in range(400)
    ]
    error = np.std(values) / 20
    assert abs(np.mean(values)) < 3 * error


def test_frames_of_one_clip_that_are_alike_do_not_help_or_hurt():
    """Each frame shown three times is the same evidence once."""
    x, y = features(8, frames=1, seed=1), features(8, frames=1, shift=0.5, seed=2)
    once = kid.squared_discrepancy(kid.clip_pairs(x, y))
    thrice = kid.squared_discrepancy(kid.clip_pairs(x.expand(-1, 3, -1), y.expand(-1, 3, -1)))
    assert once == pytest.approx(thrice)


def test_the_interval_holds_the_truth_as_often_as_it_says():
    """The truth is what very many clips say; nine in ten intervals and more should hold it."""
    many = kid.clip_pairs(features(600, 1, seed=1), features(600, 1, shift=0.5, seed=2))
    truth, held = kid.THOUSAND * kid.squared_discrepancy(many), 0
    for i in range(60):
        x = features(24, 1, seed=100 + i)
        y = features(24, 1, shift=0.5, seed=1000 + i)
        figure = kid.kid(kid.clip_pairs(x, y), frames=1, seeds=np.arange(24))
        held += figure.low <= truth <= figure.high
    assert held >= 51


def test_ratios_are_over_the_same_clips():
    x, y = features(12, seed=1), features(12, shift=1.0, seed=1)
    pairs = kid.clip_pairs(y, x)
    figure = kid.kid_ratio(2 * pairs, pairs, frames=3, seeds=np.arange(12))
    assert (figure.value, figure.low, figure.high) == pytest.approx((2, 2, 2))
    nothing = kid.kid_ratio(pairs, 0 * pairs, frames=3, seeds=np.arange(12))
    assert nothing.value == np.inf


def test_windows_join_frames_that_follow_each_other():
    x = features(2, frames=4, size=3)
    joined = kid.windows(x, 2)
    assert joined.shape == (2, 2, 6)
    assert torch.equal(joined[1, 1], torch.cat([x[1, 2], x[1, 3]]))


def test_two_runs_have_no_interval():
    figure = kid.kid(kid.clip_pairs(features(2), features(2, seed=1)), frames=3, seeds=np.arange(2))
    assert np.isfinite(figure.value) and np.isnan(figure.low)

"""Clips stay inside episodes, are drawn as (seed, step) says, and prefer what moves."""

import numpy as np
import pytest

from worldmodel.data.clips import (
    ClipSampler,
    Span,
    clip_motion,
    clip_starts,
    gather,
    other_moments,
)
from worldmodel.errors import UserError


def spans(*lengths):
    stops = np.cumsum(lengths).tolist()
    starts = [0, *stops[:-1]]
    return [
        Span(name=str(i), start=a, stop=b, seed=i, player="")
        for i, (a, b) in enumerate(zip(starts, stops, strict=True))
    ]


def test_a_clip_lies_in_one_episode():
    assert clip_starts(spans(5, 2, 3), length=3).tolist() == [0, 1, 2, 7]


def test_the_change_into_the_first_frame_does_not_count():
    motion = np.array([0, 9, 1, 3, 5], np.float32)
    assert clip_motion(motion, np.array([1, 2]), 3).tolist() == [2, 4]


def test_a_draw_is_a_function_of_seed_and_step():
    def sampler(seed):
        return ClipSampler(spans(50, 60), np.ones(110), length=8, seed=seed)

    first = sampler(1).draw(step=7, count=32)
    np.testing.assert_array_equal(sampler(1).draw(step=7, count=32), first)
    assert (sampler(1).draw(step=8, count=32) != first).any()
    assert (sampler(2).draw(step=7, count=32) != first).any()
    assert set(first) <= set(clip_starts(spans(50, 60), 8))


def test_an_even_draw_comes_to_every_clip():
    drawn = ClipSampler(spans(5, 5), np.zeros(10), length=4, seed=0).draw(0, 400)
    assert dict(zip(*np.unique(drawn, return_counts=True), strict=True)).keys() == {0, 1, 5, 6}
    assert np.bincount(drawn)[[0, 1, 5, 6]].min() > 70


def test_moving_clips_come_in_proportion_to_their_motion():
    motion = np.array([0, 0, 0, 1, 0, 3], np.float32)  # three clips of two frames
    episodes = spans(2, 2, 2)
    drawn = ClipSampler(episodes, motion, length=2, seed=0, moving=1.0).draw(0, 4000)
    assert np.bincount(drawn, minlength=6)[[0, 2, 4]] / 4000 == pytest.approx(
        [0, 0.25, 0.75], abs=0.03
    )
    half = ClipSampler(episodes, motion, length=2, seed=0, moving=0.5).draw(0, 4000)
    assert (half == 0).mean() == pytest.approx(1 / 6, abs=0.03)


def test_of_judged_frames_alone_the_motion_counts():
    motion = np.array([0, 9, 0, 1, 0, 0, 3], np.float32)  # one episode; clips of four frames
    drawn = ClipSampler(spans(7), motion, length=4, seed=0, moving=1.0, judged=1).draw(0, 4000)
    assert np.bincount(drawn, minlength=4) / 4000 == pytest.approx([0.25, 0, 0, 0.75], abs=0.03)


def test_clips_longer_than_every_episode_are_refused():
    with pytest.raises(UserError, match="12 frames"):
        ClipSampler(spans(5, 11), np.ones(16), length=12, seed=0)


def test_gathering_copies_the_rows():
    array = np.arange(20).reshape(10, 2)
    assert gather(array, np.array([0, 6]), 3).tolist() == [
        [[0, 1], [2, 3], [4, 5]],
        [[12, 13], [14, 15], [16, 17]],
    ]


def test_clips_hold_usable_rows_only():
    usable = np.ones(30, bool)
    usable[10] = False
    sampler = ClipSampler(spans(30), np.ones(30), length=5, seed=0, usable=usable)
    assert sorted(sampler.starts) == [*range(6), *range(11, 26)]
    last = ClipSampler(spans(30), np.ones(30), length=5, seed=0, usable=usable, needed=2)
    assert sorted(last.starts) == [*range(6), *range(8, 26)]
    with pytest.raises(UserError, match="No clip of 5 frames has known controls"):
        ClipSampler(spans(30), np.ones(30), length=5, seed=0, usable=~usable)


def test_another_moment_is_one_of_the_same_episode():
    """All of them, sooner or later, and of a first and of a last row too."""
    episodes, rows = spans(5, 2, 3), np.array([0, 4, 5, 6, 7, 9]).repeat(200)
    found = other_moments(episodes, rows, np.random.default_rng(0)).reshape(6, 200)
    reached = [set(each.tolist()) for each in found]
    assert reached == [set(range(5))] * 2 + [{5, 6}] * 2 + [{7, 8, 9}] * 2

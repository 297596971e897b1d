"""From frames at any times to a constant rate, with nothing pressed lost or moved."""

import numpy as np
import pytest

from worldmodel.data.importers.record import Record
from worldmodel.data.importers.resample import resample, shifted


def record(time, keys=(), number=0, **axes):
    return Record(
        picture=lambda: np.full((2, 2, 3), number, np.uint8), time=time, keys=keys, axes=axes
    )


def shown(step):
    return int(step.picture()[0, 0, 0])


def test_a_constant_rate_passes_through():
    records = [record(i / 20, ("KeyW",) * (i % 2), i, look_x=i) for i in range(6)]
    steps = list(resample(records, fps=20, gap=0.1))
    assert [shown(s) for s in steps] == list(range(6))
    assert [s.keys for s in steps] == [(), ("KeyW",)] * 3
    assert [s.axes.get("look_x", 0) for s in steps] == [0, 1, 2, 3, 4, 5]
    assert [s.begins for s in steps] == [True] + [False] * 5


@pytest.mark.parametrize("fps", [7.0, 10.0, 17.5, 20.0, 33.0, 60.0])
def test_what_the_mouse_did_between_two_shown_frames_is_theirs(fps):
    """Each picture shows the sum of counts so far: the axes are its differences, at any rate."""
    random = np.random.default_rng(0)
    times = np.cumsum(random.uniform(0.005, 0.06, 200))
    counts = random.integers(0, 2, 200)
    totals = counts.cumsum()
    records = [record(t, (), n, look_x=c) for t, n, c in zip(times, totals, counts, strict=True)]
    steps = list(resample(records, fps=fps, gap=1.0))
    pictures = np.array([shown(s) for s in steps])
    moved = [s.axes.get("look_x", 0) for s in steps[1:]]
    np.testing.assert_array_equal(np.diff(pictures), moved)
    assert totals[-1] - pictures[-1] <= 1 + 60 / fps
    assert abs(len(steps) - (times[-1] - times[0]) * fps) <= 2


def test_a_tap_between_two_shown_frames_is_kept_and_a_release_is_seen():
    keys = [(), (), ("KeyA",), (), ("KeyW",), ("KeyW",), ("KeyW",), ("KeyW",), (), ()]
    steps = list(resample([record(i / 60, k, i) for i, k in enumerate(keys)], fps=20, gap=1))
    assert [(shown(s), s.keys) for s in steps] == [
        (0, ()), (3, ("KeyA",)), (6, ("KeyW",)), (9, ())
    ]  # fmt: skip


def test_keys_keep_the_order_of_their_presses():
    keys = [(), ("KeyA",), ("KeyA", "KeyD"), ("KeyD",)]
    steps = list(resample([record(i / 60, k, i) for i, k in enumerate(keys)], fps=20, gap=1))
    assert steps[1].keys == ("KeyA", "KeyD")


def test_a_gap_begins_another_episode_whose_first_frame_has_no_keys():
    times = [0, 0.05, 0.1, 2.0, 2.05]
    records = [record(t, ("KeyW",), i, look_x=1) for i, t in enumerate(times)]
    steps = list(resample(records, fps=20, gap=0.5))
    assert [shown(s) for s in steps] == [0, 1, 2, 3, 4]
    assert [s.begins for s in steps] == [True, False, False, True, False]
    assert steps[3].keys == () and not steps[3].axes and steps[4].keys == ("KeyW",)


def test_a_picture_that_stood_still_is_repeated_with_the_keys_held_and_no_movement():
    records = [record(0, (), 0), record(0.05, ("KeyW",), 1, look_x=5), record(0.2, (), 2)]
    steps = list(resample(records, fps=20, gap=1))
    assert [shown(s) for s in steps] == [0, 1, 1, 1, 2]
    assert [s.keys for s in steps] == [(), ("KeyW",), ("KeyW",), ("KeyW",), ()]
    assert [s.axes.get("look_x", 0) for s in steps] == [0, 5, 0, 0, 0]
    assert [s.repeated for s in steps] == [False, False, True, True, False]


def test_times_rounded_to_milliseconds_neither_repeat_nor_drop():
    times = [round(i / 60, 3) for i in range(120)]
    steps = list(resample([record(t, (), i) for i, t in enumerate(times)], fps=60, gap=1))
    assert [shown(s) for s in steps] == list(range(120))


@pytest.mark.parametrize(
    ("shift", "expected"), [(0, "abcd"), (1, "-abc"), (2, "--ab"), (-1, "bcd")]
)
def test_keys_move_against_pictures(shift, expected):
    records = [record(i, (key,), i) for i, key in enumerate("abcd")]
    moved = list(shifted(records, shift))
    assert ["".join(r.keys) or "-" for r in moved] == list(expected)
    assert [shown(r) for r in moved] == list(range(len(expected)))


def test_a_shift_does_not_reach_over_a_gap():
    records = [
        record(t, (key,), 0) for t, key in zip((0, 0.05, 9, 9.05, 9.1), "abcde", strict=True)
    ]
    steps = list(resample(records, fps=20, gap=1, shift=1))
    assert ["".join(s.keys) for s in steps] == ["", "a", "", "c", "d"]


def test_nothing_becomes_nothing():
    assert list(resample([], fps=20, gap=1)) == []

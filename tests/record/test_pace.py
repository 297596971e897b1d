"""Frames are due at a steady rate; what was missed is counted, not made up."""

import pytest

from worldmodel.record.pace import Pace


def test_slots_follow_each_other():
    pace = Pace(20, 100.0)
    due = []
    for _ in range(4):
        due.append(pace.due)
        assert pace.take(pace.due + 0.003) == 0
    assert due == pytest.approx([100.0, 100.05, 100.1, 100.15])


def test_missed_slots_are_counted_once_and_the_rate_is_kept():
    pace = Pace(10, 0.0)
    assert pace.take(0.0) == 0
    assert pace.take(0.35) == 2  # those at 0.1 and 0.2
    assert pace.due == pytest.approx(0.4)
    assert pace.take(0.4) == 0


def test_rounding_misses_nothing_over_an_hour():
    pace = Pace(17.5, 12345.678)
    assert sum(pace.take(pace.due) for _ in range(63000)) == 0
    assert pace.due == pytest.approx(12345.678 + 3600)

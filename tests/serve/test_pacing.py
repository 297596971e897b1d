"""Pacing without a clock: states and times in, decisions out."""

import pytest

from worldmodel.serve import pacing
from worldmodel.serve.pacing import Decision, Pace, credit, decide

STEP = Decision(step=True)


def drawing_at(rate: float) -> tuple[float, ...]:
    return tuple(number / rate for number in range(8))


@pytest.mark.parametrize(
    ("rtt", "fps", "drawn", "frames"),
    [
        (0.001, 20, 20, 2),
        (0.1, 30, 30, 4),
        (0.24, 20, 20, 6),
        (5.0, 60, 60, 8),
        (0.2, 30, 5, 2),  # a slow line that is full
        (0.2, 30, 10, 3),  # a long line that could carry more
        (0.2, 30, 500, 7),  # acknowledgements in a bunch
    ],
)
def test_credit_is_what_the_line_holds_and_one_more(rtt, fps, drawn, frames):
    assert credit(Pace(fps=fps, rtt=rtt, acks=drawing_at(drawn))) == frames


def test_an_unknown_line_gets_the_least():
    assert credit(Pace(fps=60)) == credit(Pace(fps=60, rtt=1.0, acks=(0.0,))) == 2


def test_a_frame_is_made_when_due_and_not_before():
    pace = Pace(fps=20, due=10.0)
    assert decide(pace, 9.98) == Decision(seconds=pytest.approx(0.02))
    assert decide(pace, 10.0) == STEP


def test_a_small_delay_is_caught_up_and_a_long_one_is_not():
    pace = Pace(fps=20, due=10.0)
    assert pacing.stepped(pace, 10.02).due == pytest.approx(10.05)
    assert pacing.stepped(pace, 12.0).due == pytest.approx(12.05)


def test_without_credit_nothing_is_made_until_an_acknowledgement():
    pace = pacing.sent(pacing.sent(Pace(fps=20), 1, 0.0), 2, 0.05)
    assert decide(pace, 0.1) == Decision()
    assert decide(pacing.acked(pace, 1, 0.1), 0.1) == STEP


def test_an_acknowledgement_covers_everything_before_it():
    pace = pacing.sent(pacing.sent(Pace(fps=20), 1, 0.0), 2, 0.05)
    assert pacing.acked(pace, 2, 0.1).sent == ()


def test_an_unknown_acknowledgement_changes_nothing_but_what_it_covers():
    pace = pacing.sent(Pace(fps=20), 5, 0.0)
    assert pacing.acked(pace, 4, 0.1) == pace
    assert pacing.acked(pace, 99, 0.1).rtt is None


def test_the_least_round_trip_counts():
    pace = Pace(fps=20)
    for rtt in (0.3, 0.1, 0.5):
        pace = pacing.heard(pace, rtt)
    assert pace.rtt == 0.1


def test_what_is_not_drawn_in_time_stops_the_model_though_there_is_credit():
    pace = pacing.sent(Pace(fps=60, rtt=0.1), 1, 0.0)
    assert decide(pace, 0.3) == STEP
    assert decide(pace, 0.5) == Decision()


def simulate(seconds_per_frame: float, fps: float, rtt: float, seconds: float) -> list[float]:
    """How old each frame is when drawn, over a line that carries one frame at a time."""
    pace, now, line_free, serial = Pace(fps=fps), 0.0, 0.0, 0
    arriving: list[tuple[float, int, float]] = []
    ages = []
    while now < seconds:
        while arriving and arriving[0][0] + rtt / 2 <= now:
            drawn, number, made = arriving.pop(0)
            ages.append(drawn - made)
            pace = pacing.acked(pace, number, now)
        if decide(pace, now).step:
            serial += 1
            pace = pacing.sent(pacing.stepped(pace, now), serial, now)
            line_free = max(line_free, now) + seconds_per_frame
            arriving.append((line_free + rtt / 2, serial, now))
        now += 0.001
    return ages


@pytest.mark.parametrize("seconds_per_frame", [0.001, 0.05, 0.1, 0.2, 0.5])
@pytest.mark.parametrize("rtt", [0.001, 0.1, 0.3])
def test_no_line_however_slow_is_stale_by_the_second(seconds_per_frame, rtt):
    ages = simulate(seconds_per_frame, fps=30, rtt=rtt, seconds=20)
    assert max(ages) < max(1.0, 3 * seconds_per_frame + rtt)


def test_a_long_but_wide_line_keeps_the_frame_rate():
    assert len(simulate(0.001, fps=20, rtt=0.2, seconds=10)) > 190


def test_paused_makes_only_what_is_asked_for():
    pace = pacing.paused(Pace(fps=20), True)
    assert decide(pace, 1.0) == Decision()
    pace = pacing.single_step(pace)
    assert decide(pace, 1.0) == STEP
    assert decide(pacing.stepped(pace, 1.0), 1.0) == Decision()


def test_single_steps_are_for_those_who_paused():
    assert pacing.single_step(Pace(fps=20)).owed == 0


def test_a_new_socket_begins_with_nothing_on_its_way():
    pace = pacing.reconnected(pacing.sent(Pace(fps=20, rtt=0.5), 1, 0.0))
    assert (pace.sent, pace.acks, pace.rtt) == ((), (), None)

"""When to make the next frame: a pure decision from a state and a time.

Acknowledgements are the only backpressure: a frame is made when it is due, when the player
has credit for it, and when what he was sent is being drawn in time. Otherwise nothing is
generated, so a slow player gets fewer frames and never old ones.
"""

import math
from dataclasses import dataclass, replace

MIN_CREDIT, MAX_CREDIT = 2, 8
RATE_SAMPLES = 8
SLACK = 0.25  # of a frame: a line that is exactly full asks for no more
STALE_SECONDS = 0.4


@dataclass(frozen=True, kw_only=True)
class Pace:
    """One player's pacing. Times in seconds of one monotonic clock.

    sent: (serial, time) of frames not yet acknowledged, oldest first.
    acks: times of the last acknowledgements, oldest first; one is sent for each frame drawn.
    owed: single steps asked for while paused.
    """

    fps: float
    due: float = 0.0
    rtt: float | None = None
    sent: tuple[tuple[int, float], ...] = ()
    acks: tuple[float, ...] = ()
    paused: bool = False
    owed: int = 0


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Make a frame now, or look again after `seconds` (None: only when something changes)."""

    step: bool = False
    seconds: float | None = None


def credit(pace: Pace) -> int:
    """How many frames may be on their way at once: what the line holds, and one more.

    That is the bandwidth-delay product in frames, with the rate that the player has lately
    drawn at. With the world's own rate in its place a line that takes 200 ms a frame showed
    frames 1.4 s old; so it shows them 0.4 s old.
    """
    if pace.rtt is None or len(pace.acks) < 2:
        return MIN_CREDIT
    lasted = max(pace.acks[-1] - pace.acks[0], 1e-6)
    rate = min(pace.fps, (len(pace.acks) - 1) / lasted)
    return max(MIN_CREDIT, min(MAX_CREDIT, math.ceil(pace.rtt * rate - SLACK) + 1))


def decide(pace: Pace, now: float) -> Decision:
    """What to do at `now`."""
    if pace.paused and not pace.owed:
        return Decision()
    if len(pace.sent) >= credit(pace) or _stale(pace, now):
        return Decision()
    if pace.paused or now >= pace.due:
        return Decision(step=True)
    return Decision(seconds=pace.due - now)


def _stale(pace: Pace, now: float) -> bool:
    patience = max(STALE_SECONDS, 2 * (pace.rtt or 0.0))
    return bool(pace.sent) and now - pace.sent[0][1] > patience


def stepped(pace: Pace, now: float) -> Pace:
    """After deciding to step at `now`: the next frame is due one period later.

    Being late by less than a period is caught up; being later starts a new schedule.
    """
    period = 1.0 / pace.fps
    due = pace.due + period if now - pace.due < period else now + period
    return replace(pace, due=due, owed=max(0, pace.owed - 1) if pace.paused else 0)


def sent(pace: Pace, serial: int, now: float) -> Pace:
    """After sending the frame `serial`."""
    return replace(pace, sent=(*pace.sent, (serial, now)))


def acked(pace: Pace, serial: int, now: float) -> Pace:
    """After the player acknowledged `serial` and everything before it."""
    times = [at for number, at in pace.sent if number == serial]
    rest = tuple(entry for entry in pace.sent if entry[0] > serial)
    acks = (*pace.acks, now)[-RATE_SAMPLES:] if times else pace.acks
    pace = replace(pace, sent=rest, acks=acks)
    return heard(pace, now - times[0]) if times else pace


def heard(pace: Pace, rtt: float) -> Pace:
    """Fold one measured round trip in: only the least of this connection counts.

    The least is what the line takes when nothing queues on it; a mean would grow with the
    queue that the credit itself allows, and the credit with it.
    """
    return pace if pace.rtt is not None and pace.rtt <= rtt else replace(pace, rtt=rtt)


def paused(pace: Pace, on: bool) -> Pace:
    """Pause, or go on from now."""
    return replace(pace, paused=on, owed=0)


def single_step(pace: Pace) -> Pace:
    """One more frame while paused."""
    return replace(pace, owed=min(pace.owed + 1, 8)) if pace.paused else pace


def reconnected(pace: Pace) -> Pace:
    """On a new socket: nothing is on its way and the line is unknown."""
    return replace(pace, sent=(), acks=(), rtt=None)

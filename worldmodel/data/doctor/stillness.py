"""How much the picture moves: repeated frames, frozen and idle stretches."""

from collections.abc import Iterator

import numpy as np

from worldmodel.data.doctor.finding import Finding, Shown, Verdict
from worldmodel.data.doctor.keys import runs
from worldmodel.data.doctor.sample import Sample, Stretch

STILL = 0.5  # mean grey levels of change: less is nothing but the video's own noise
MOVING = 2.0
REPEATED = 0.01  # share of moving frames that may be repeated
FROZEN = 0.1  # share of frames in which keys may be held in vain
IDLE = 0.5  # share of frames in which nothing may happen
EDGES = (0, 0.5, 1, 2, 4, 8, 16, 32, 64, 256)


def examine_motion(sample: Sample) -> Finding:
    """Say how much the picture changes from frame to frame."""
    change = np.concatenate([s.change[1:] for s in sample.stretches])
    flow = np.concatenate([np.abs(s.flow).mean(1) for s in sample.stretches])
    counts, _ = np.histogram(change, EDGES)
    figures = {
        "mean change": float(change.mean()),
        "still": float((change < STILL).mean()),
        "edges": list(EDGES),
        "histogram": (counts / max(len(change), 1)).tolist(),
        "flow, cells a frame": np.percentile(flow, [10, 50, 90]).tolist(),
    }
    sentence = (
        f"The picture changes by {figures['mean change']:.1f} grey levels a frame in the mean; "
        f"{figures['still']:.1%} of the frames are still."
    )
    return Finding(name="motion", verdict=Verdict.OK, sentence=sentence, figures=figures)


def examine_repeats(sample: Sample) -> Finding:
    """Find frames that repeat the one before although the picture moves before and after."""
    found = [(s, i) for s in sample.stretches for i in _repeats(s)]
    moving = sum(int((s.change > MOVING).sum()) for s in sample.stretches)
    share = len(found) / max(moving + len(found), 1)
    figures = {"repeated": len(found), "share of moving frames": share}
    sentence = f"Frames that repeat the one before: {len(found)} ({share:.2%} of those that move)."
    wrong = share > REPEATED
    if wrong:
        sentence += " The capture was slower than it says, or a video's rate was converted."
    shown = tuple(shown_frame(s, i + d) for s, i in found[:3] for d in (-1, 0, 1)) if wrong else ()
    verdict = Verdict.WRONG if wrong else Verdict.OK
    return Finding(
        name="repeated frames", verdict=verdict, sentence=sentence, figures=figures, shown=shown
    )


def _repeats(stretch: Stretch) -> np.ndarray:
    change, controls = stretch.change, stretch.controls
    at = np.arange(2, len(change) - 1)
    apart = (change[at] < STILL) & (change[at - 1] > MOVING) & (change[at + 1] > MOVING)
    if controls is not None:
        apart &= (controls[at] == controls[at - 1]).all(1)
        apart &= (controls[at] == controls[at + 1]).all(1)
    return at[apart]


def examine_stillness(sample: Sample, fps: float) -> Finding:
    """Find stretches of a second or more that stand still, with and without keys held."""
    least, total = max(2, round(fps)), sample.frames
    stretches = [
        (s, begin, stop, _held(s, begin, stop))
        for s, begin, stop in still_runs(sample)
        if stop - begin >= least
    ]
    frozen = [one for one in stretches if one[3]]
    shares = {
        "frozen with keys held": sum(b - a for _, a, b, held in stretches if held) / total,
        "idle": sum(b - a for _, a, b, held in stretches if not held) / total,
        "longest, s": max((b - a for _, a, b, _ in stretches), default=0) / fps,
    }
    where = [f"{s.part} frames {s.start + a} to {s.start + b - 1}" for s, a, b, _ in frozen[:20]]
    figures = {**shares, "stretches": len(stretches), "where": where}
    sentence = (
        f"Stretches of a second or more in which nothing moves: {shares['idle']:.1%} of the "
        f"frames without a key, {shares['frozen with keys held']:.1%} with keys held."
    )
    verdict = Verdict.OK
    if shares["frozen with keys held"] > FROZEN or shares["idle"] > IDLE:
        verdict = Verdict.WRONG
    elif shares["frozen with keys held"] > FROZEN / 5 or shares["idle"] > IDLE / 3:
        verdict = Verdict.NOTE
    if verdict != Verdict.OK:
        sentence += " worldmodel curate leaves out what is too much of it."
    shown = tuple(shown_frame(s, (a + b) // 2) for s, a, b, _ in (frozen or stretches)[:8])
    return Finding(
        name="stillness", verdict=verdict, sentence=sentence, figures=figures, shown=shown
    )


def is_still(change: np.ndarray, below: float = STILL) -> np.ndarray:
    """Which frames show the picture of the one before, bool [t], by their change [t].

    A video's key frames renew a still picture: one frame that changes a little (up to four times
    as much) between still ones is still, too.
    """
    low = change < below
    beside = np.concatenate([[True], low[:-1]]) & np.concatenate([low[1:], [True]])
    return low | (beside & (change < 4 * below))


def still_runs(sample: Sample) -> Iterator[tuple[Stretch, int, int]]:
    """Every stretch of frames that show the same picture: where it begins and stops."""
    for stretch in sample.stretches:
        for begin, stop in runs(is_still(stretch.change[1:])):
            yield stretch, int(begin), int(stop) + 1


def _held(stretch: Stretch, begin: int, stop: int) -> bool:
    """Whether keys are held in most of a stretch."""
    if stretch.controls is None:
        return False
    return bool((stretch.controls[begin:stop] != 0).any(1).mean() > 0.5)


def shown_frame(stretch: Stretch, row: int, what: str = "") -> Shown:
    """A frame of a stretch, for the page."""
    row = int(np.clip(row, 0, len(stretch) - 1)) + stretch.start
    caption = f"{stretch.part}, frame {row}" + (f": {what}" if what else "")
    return Shown(place=stretch.part.place, row=row, caption=caption)

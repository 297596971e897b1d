"""Whether frames came at an even rate: gaps and disorder in the recorder's clock."""

import numpy as np

from worldmodel.data.doctor.finding import Finding, Verdict
from worldmodel.data.doctor.sample import Sample

MISSED = 1.5  # frame times without a frame
TOO_MANY = 0.01  # share of the frames
OFF = 0.02  # of the stated rate


def examine_rates(sample: Sample, fps: float) -> Finding:
    """Compare the intervals between frames with the stated rate."""
    name = "rate"
    steps = [np.diff(times) for times in sample.times.values() if len(times) > 1]
    if not steps:
        sentence = f"{fps:g} frames/s are stated; prepared arrays keep no clock to check that by."
        return Finding(name=name, verdict=Verdict.NOTE, sentence=sentence, figures={"stated": fps})
    intervals = np.concatenate(steps)
    rate = 1000 / max(float(np.median(intervals)), 1e-6)
    dropped = np.maximum(np.round(intervals * fps / 1000) - 1, 0)[intervals > MISSED * 1000 / fps]
    figures = {
        "stated": fps,
        "measured": rate,
        "mean": 1000 / max(float(intervals.mean()), 1e-6),
        "dropped": float(dropped.sum() / len(intervals)),
        "longest interval, ms": float(intervals.max()),
        "backwards": int((intervals <= 0).sum()),
    }
    problems = []
    if figures["backwards"]:
        problems.append(f"the clock stands still or runs backwards {figures['backwards']} times")
    if abs(rate / fps - 1) > OFF:
        problems.append(f"{fps:g} frames/s are stated, the clock says {rate:.2f}")
    if figures["dropped"] > TOO_MANY:
        problems.append(f"{figures['dropped']:.1%} of the frames were dropped")
    if problems:
        sentence = f"{'; '.join(problems).capitalize()}."
        return Finding(name=name, verdict=Verdict.WRONG, sentence=sentence, figures=figures)
    sentence = f"{rate:.2f} frames/s, {figures['dropped']:.2%} dropped."
    return Finding(name=name, verdict=Verdict.OK, sentence=sentence, figures=figures)

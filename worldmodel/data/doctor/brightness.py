"""How bright the pictures are: black frames, frames of one colour."""

import numpy as np

from worldmodel.data.doctor.finding import Finding, Verdict
from worldmodel.data.doctor.flow import grey
from worldmodel.data.doctor.keys import runs
from worldmodel.data.doctor.sample import Sample
from worldmodel.data.doctor.stillness import shown_frame

DARK = 16  # the brightest cell's value of a black frame
PLAIN = 1.0  # deviation, over the picture, of a frame of one colour
BLACK_WRONG = 0.01
PLAIN_WRONG = 0.2


def is_black(colours: np.ndarray) -> np.ndarray:
    """Whether pictures [t h w 3] are black, bool [t]."""
    return colours.reshape(len(colours), -1).max(1) < DARK


def is_plain(colours: np.ndarray) -> np.ndarray:
    """Whether pictures [t h w 3] show one colour that is not black, bool [t]."""
    spread = colours.reshape(len(colours), -1, 3).astype(np.float32).std(1).max(1)
    return (spread < PLAIN) & ~is_black(colours)


def examine_brightness(sample: Sample) -> Finding:
    """Find black frames and frames of one colour; give the distribution of brightness."""
    black = [is_black(s.colours) for s in sample.stretches]
    plain = [is_plain(s.colours) for s in sample.stretches]
    light = np.concatenate(
        [grey(s.colours.astype(np.float32)).mean((1, 2)) for s in sample.stretches]
    )
    counts, _ = np.histogram(light, np.arange(0, 257, 16))
    found = [
        (s, int(a), int(b))
        for s, flags in zip(sample.stretches, black, strict=True)
        for a, b in runs(flags)
    ]
    figures = {
        "black": float(np.concatenate(black).mean()),
        "one colour": float(np.concatenate(plain).mean()),
        "brightness": np.percentile(light, [1, 50, 99]).tolist(),
        "histogram": (counts / len(light)).tolist(),
        "where": [f"{s.part} frames {s.start + a} to {s.start + b - 1}" for s, a, b in found[:20]],
    }
    sentence = (
        f"{figures['black']:.1%} of the frames are black, {figures['one colour']:.1%} show one "
        f"colour; the median brightness is {figures['brightness'][1]:.0f} of 255."
    )
    verdict = Verdict.NOTE if figures["black"] or figures["one colour"] > 0.01 else Verdict.OK
    if figures["black"] > BLACK_WRONG or figures["one colour"] > PLAIN_WRONG:
        verdict = Verdict.WRONG
    shown = tuple(shown_frame(s, (a + b) // 2) for s, a, b in found[:6])
    return Finding(
        name="brightness", verdict=verdict, sentence=sentence, figures=figures, shown=shown
    )

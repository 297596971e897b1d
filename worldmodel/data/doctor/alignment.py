"""Whether action[k] produced frame[k], or a frame beside it."""

import numpy as np

from worldmodel.data.doctor.answers import Answers
from worldmodel.data.doctor.finding import Finding, Verdict
from worldmodel.data.doctor.response import LAGS, interval

AGREED = 0.95  # share of the bootstrap's draws that have the same best lag
MARGIN = 0.15  # the second best lag must be this share weaker, in 97.5 % of the draws
GRADUAL = 0.2  # an answer this strong at lag 0, beside a stronger later one, is an easing camera
EARLY = 0.5  # an answer this strong one lag before the best makes the best doubtful


def examine_alignment(found: Answers | None) -> Finding:
    """Say at which lag the picture answers; `cannot tell` unless one lag stands out."""
    if found is None:
        sentence = "Too few changes of keys to tell whether actions and frames are aligned."
        return Finding(name="alignment", verdict=Verdict.UNSURE, sentence=sentence)
    draws = found.by_lag()  # draws n k
    total = draws.sum(2)
    figures = {
        "strength by lag": {str(at): interval(total[:, i]) for i, at in enumerate(LAGS)},
        "best lag by key": {name: _best(draws[:, :, i])[0] for i, name in enumerate(found.names)},
        "groups": len(found.moments.frames),
    }
    lag, agreed, margin = _best(total)
    figures |= {"draws that agree": agreed, "margin": margin}
    if lag is None:
        sentence = (
            "It cannot be told which frame an action belongs to: no lag's answer stands out "
            "(more frames, or keys that move the picture more, would help)."
        )
        return Finding(name="alignment", verdict=Verdict.UNSURE, sentence=sentence, figures=figures)
    verdict, sentence = _judge(lag, total)
    middle, low, high = margin
    sentence += f" The next lag's answer is {middle:.0%} weaker ({low:.0%} to {high:.0%})."
    figures["best lag"] = lag
    return Finding(name="alignment", verdict=verdict, sentence=sentence, figures=figures)


def _best(draws: np.ndarray) -> tuple[int | None, float, list[float]]:
    """The lag whose strength [draws n] is greatest, or None; share of draws; the margin."""
    index = int(draws.mean(0).argmax())
    others = np.delete(draws, index, axis=1).max(1)
    agreed = float((draws.argmax(1) == index).mean())
    size = np.maximum(draws[:, index], 1e-12)
    margin = interval(np.clip(1 - np.maximum(others, 0) / size, -1, 1))
    clear = agreed >= AGREED and margin[1] >= MARGIN and interval(draws[:, index])[1] > 0
    return (LAGS[index] if clear else None), agreed, margin


def _judge(lag: int, total: np.ndarray) -> tuple[Verdict, str]:
    strengths = total.mean(0)
    best = strengths[LAGS.index(lag)]
    share = {one: s / best for one, s in zip(LAGS, strengths, strict=True)}
    sure = {one: interval(total[:, i])[1] > 0 for i, one in enumerate(LAGS)}
    if lag < 0 and sure[0] and share[0] >= GRADUAL:
        return Verdict.OK, (
            f"The picture begins to answer in the frame of its action and does so most "
            f"{frames(-lag)} later: aligned, with a gradual answer."
        )
    if lag + 1 in share and sure[lag + 1] and share[lag + 1] >= EARLY:
        return Verdict.UNSURE, (
            f"The picture answers most at lag {lag}, but nearly as much a frame before; "
            f"whether the actions are shifted cannot be told."
        )
    if lag == 0:
        return Verdict.OK, "Actions and frames are aligned: action[k] produced frame[k]."
    late = "before" if lag > 0 else "after"
    where = "late" if lag > 0 else "early"
    return Verdict.WRONG, (
        f"The picture moves {frames(abs(lag))} {late} the action that moves it: actions are "
        f"stored {frames(abs(lag))} too {where}; shift them by {-lag:+d}."
    )


def frames(count: int) -> str:
    return f"{count} frame" if count == 1 else f"{count} frames"

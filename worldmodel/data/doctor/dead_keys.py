"""Whether each control changes the picture at all."""

import numpy as np

from worldmodel.data.doctor.answers import Answers
from worldmodel.data.doctor.finding import Finding, Verdict
from worldmodel.data.doctor.response import LAGS

NOTHING = 0.1  # squared deviations of the noise: an answer surely below it is none
FAINT = 0.01  # of the other keys' answers: the same


def examine_dead_keys(found: Answers | None, lag: int | None) -> Finding:
    """Say which controls the picture does not answer to, within three frames of a press.

    `lag` is where actions and frames meet; unless it is known, the best of all is taken.
    """
    if found is None:
        sentence = "Too few changes of keys to tell whether they change the picture."
        return Finding(name="dead keys", verdict=Verdict.UNSURE, sentence=sentence)
    start = lag if lag is not None else LAGS[-1]
    strengths = found.after(start)
    alive = [name for name, (_, low, _) in strengths.items() if low > 0]
    usual = np.median([strengths[name][0] for name in alive]) if alive else 0.0
    nothing = max(NOTHING, FAINT * float(usual))
    dead = [n for n, (_, _, high) in strengths.items() if high < nothing and n not in alive]
    unsure = [name for name in found.names if name not in (*dead, *alive)]
    figures = {
        "answer (squared deviations)": strengths,
        "none is below": nothing,
        "changes seen": found.counts,
        "dead": dead,
        "cannot tell": unsure + list(found.rare),
    }
    verdict, sentence = _judge(dead, unsure, found.rare)
    return Finding(name="dead keys", verdict=verdict, sentence=sentence, figures=figures)


def _judge(dead: list[str], unsure: list[str], rare: tuple[str, ...]) -> tuple[Verdict, str]:
    said = []
    if dead:
        said.append(f"The picture does not answer to {listed(dead)}.")
    if unsure:
        said.append(
            f"Whether the picture answers to {listed(unsure)} cannot be told from this sample "
            "(--frames looks at more)."
        )
    if rare:
        said.append(f"Hardly ever pressed: {listed(rare)}.")
    if dead:
        return Verdict.WRONG, " ".join(said)
    if unsure:
        return Verdict.UNSURE, " ".join(said)
    if rare:
        return Verdict.NOTE, " ".join(["Every key in use changes the picture.", *said])
    return Verdict.OK, "Every key changes the picture."


def listed(names: list[str] | tuple[str, ...]) -> str:
    """Names for a sentence; long lists are cut."""
    shown = ", ".join(names[:6])
    return shown if len(names) <= 6 else f"{shown} and {len(names) - 6} more"

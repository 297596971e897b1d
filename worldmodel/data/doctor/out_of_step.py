"""Episodes whose actions are shifted although those of the others are not."""

import numpy as np

from worldmodel.data.doctor.answers import Answers
from worldmodel.data.doctor.collection import Part
from worldmodel.data.doctor.dead_keys import listed
from worldmodel.data.doctor.finding import Finding, Verdict
from worldmodel.data.doctor.response import LAGS

SURE = 6.0  # deviations of what chance gives
FEWEST = 10  # changes of controls in an episode
WEAKER = 0.5  # at the common lag, as a share of the answer at the episode's own


def examine_steps(found: Answers | None, lag: int | None, parts: dict[int, Part]) -> Finding:
    """Compare every episode's own best lag with the common one."""
    name = "episodes out of step"
    if found is None or lag is None or not found.places:
        sentence = "Single episodes are compared where a dozen of them have a common lag."
        return Finding(name=name, verdict=Verdict.UNSURE, sentence=sentence)
    scores = _scores(found, lag)  # groups n
    told = _squares(found).sum(1) >= FEWEST
    common = scores[:, LAGS.index(lag)]
    best = scores.max(1)
    clear = told & (best > SURE)
    apart = clear & (common < WEAKER * best)
    lags = {
        str(parts[place]): LAGS[int(row.argmax())]
        for place, row, is_apart in zip(found.places, scores, apart, strict=True)
        if is_apart
    }
    figures = {"episodes": len(scores), "clear": int(clear.sum()), "out of step": lags}
    if not lags:
        sentence = f"{figures['clear']} of {len(scores)} episodes show a lag: the common one."
        return Finding(name=name, verdict=Verdict.OK, sentence=sentence, figures=figures)
    sentence = (
        f"{len(lags)} of {figures['clear']} episodes answer at another lag than {lag}: "
        f"{listed([f'{episode} at {own}' for episode, own in lags.items()])}."
    )
    return Finding(name=name, verdict=Verdict.WRONG, sentence=sentence, figures=figures)


def _scores(found: Answers, lag: int) -> np.ndarray:
    """Each group's match with the common answer at every lag [g n], in deviations of chance."""
    shape = len(found.moments.frames), len(LAGS), len(found.names), -1
    products = found.moments.xy.reshape(shape)
    response = found.response[LAGS.index(lag)]  # k d
    filtered = response @ found.precision
    match = np.einsum("gnkd,kd->gn", products, filtered)
    chance = np.sqrt(_squares(found) @ np.einsum("kd,kd->k", filtered, response))
    return match / np.maximum(chance[:, None], 1e-6)


def _squares(found: Answers) -> np.ndarray:
    """Sum of each control's squared changes in each group [g k]: for a button, their number."""
    squares = found.moments.xx.diagonal(axis1=1, axis2=2)
    return squares.reshape(len(squares), len(LAGS), -1)[:, LAGS.index(0)]

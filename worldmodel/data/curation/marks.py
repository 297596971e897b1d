"""Which frames of an episode go, and why: what can be told from keys and motion alone."""

import numpy as np

from worldmodel.data.curation.rules import Duplicates, Still
from worldmodel.data.doctor.keys import runs
from worldmodel.data.doctor.stillness import is_still

KEPT, SHORT = "", "too short between cuts"


def mark_still(
    marks: np.ndarray, motion: np.ndarray, among: np.ndarray, rule: Still, window: int, why: str
) -> None:
    """Mark frames, object [t], whose motion float [t] is low over a window of frames, among those
    where `among` bool [t]; of each stretch `keep` stay, half where it begins, half where it ends:
    what moves after a rest keeps its past."""
    after = rule.keep // 2
    for begin, stop in runs(_low(motion, rule.below, window) & among):
        rows = np.arange(begin + rule.keep - after, stop - after)
        _mark(marks, rows, why)


def _low(motion: np.ndarray, below: float, window: int) -> np.ndarray:
    """Frames in any window of so many whose mean motion is low: its edges are low, too."""
    window = min(window, len(motion))
    total = np.concatenate([[0.0], np.cumsum(motion, dtype=np.float64)])
    low = (total[window:] - total[:-window]) / window < below
    covered = np.convolve(low, np.ones(window, int)) > 0  # every frame of a low window
    return covered & is_still(motion, max(below, 1e-9))


def mark_duplicates(
    marks: np.ndarray, motion: np.ndarray, controls: np.ndarray, rule: Duplicates
) -> None:
    """Mark frames that repeat the one before while the picture moves before and after."""
    at = np.arange(2, len(motion) - 1)
    apart = (motion[at] < rule.below) & (motion[at - 1] > rule.moving)
    apart &= motion[at + 1] > rule.moving
    same = [np.nan_to_num(controls[at]) == np.nan_to_num(controls[at + d]) for d in (-1, 1)]
    _mark(marks, at[apart & same[0].all(1) & same[1].all(1)], "duplicate")


def mark_short(marks: np.ndarray, shortest: int) -> None:
    """Mark what lies between two cuts and is too short to be of use."""
    for begin, stop in runs(marks == KEPT):
        if stop - begin < shortest:
            _mark(marks, np.arange(begin, stop), SHORT)


def _mark(marks: np.ndarray, rows: np.ndarray, why: str) -> None:
    marks[rows[marks[rows] == KEPT]] = why

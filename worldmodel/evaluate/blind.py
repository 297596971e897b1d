"""Blind test: which of two clips is real? GameNGen's protocol (arXiv 2408.14837, section 5.1).

People see a real and a dreamed clip of 1.6 or 3.2 seconds side by side, from the same start under
the same keys, and say which is the game. A share of right answers of 0.5 is a perfect dream.
"""

import json
import os
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from worldmodel.data.clips import FrameStore
from worldmodel.errors import UserError
from worldmodel.evaluate.dreams import dream, setting_of
from worldmodel.evaluate.pasts import draw_futures
from worldmodel.evaluate.seen import require_fitting
from worldmodel.play.world import load_world
from worldmodel.weights import tensors_hash

SECONDS = (1.6, 3.2)  # of GameNGen
DEVIATIONS = 1.96  # of a 95 % interval


@dataclass(frozen=True, kw_only=True)
class Trial:
    """Two clips uint8 [t H W 3] that begin with the same real frame."""

    name: str
    seconds: float
    real: np.ndarray
    dreamed: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Trials:
    """What people are shown, and what the answers are about."""

    world: str
    weights: str  # hash of the world's
    fps: float
    trials: tuple[Trial, ...]


def make_test(
    folder: Path, data: Path, *, trials: int = 20, seed: int = 0, steps: int | None = None,
    speed: str = "plain",
) -> Trials:  # fmt: skip
    """Dream `trials` clips of `data/heldout`, half of them of each length, in random order.

    Raises UserError when there is nothing to show or data and world do not fit.
    """
    if trials < 2:
        raise UserError(f"a blind test has at least 2 trials, found {trials}")
    world, store = load_world(folder, "cpu", speed), FrameStore(data / "heldout")
    require_fitting(world, store)
    fps, past = world.config.fps, world.config.world.window
    frames = [round(seconds * fps) for seconds in SECONDS]
    pasts, futures = draw_futures(store, past, max(frames), trials, seed=seed)
    print(f"dreaming {trials} clips of {max(frames)} frames ...", flush=True)
    setting = setting_of(world.config.play, steps)
    dreamed = dream(world, pasts, futures.controls, setting=setting, seed=seed)
    order = np.random.default_rng(seed).permutation(trials)
    made = []
    for i in order:
        length, first = frames[i % 2], pasts.frames[i, -1:].numpy()
        real, own = (x[i, :length].numpy() for x in (futures.frames, dreamed))
        made.append(Trial(
            name=f"{pasts.seeds[i]}-{i}", seconds=SECONDS[i % 2],
            real=np.concatenate([first, real]), dreamed=np.concatenate([first, own]),
        ))  # fmt: skip
    weights = tensors_hash(world.network.state_dict())
    return Trials(world=world.config.title, weights=weights, fps=fps, trials=tuple(made))


class Answers:
    """Answers in a JSONL file, one object a line, each on the disk when `add` returns."""

    def __init__(self, path: Path) -> None:
        """Raises UserError when the file has another thing than answers in it."""
        self.path, self._lock = path, threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        self.read()

    def add(
        self, test: Trials, trial: Trial, person: str, real_left: bool, said_left: bool
    ) -> None:
        """Keep that `person` took the clip on the left, or the other one, for the real one."""
        record = {
            "time": round(time.time()), "world": test.world, "weights": test.weights,
            "person": person, "trial": trial.name, "seconds": trial.seconds,
            "real": "left" if real_left else "right", "said": "left" if said_left else "right",
        }  # fmt: skip
        with self._lock, self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def read(self) -> list[dict[str, Any]]:
        """All answers; a last line that a killed process left half-written is not one."""
        if not self.path.exists():
            return []
        *lines, rest = self.path.read_text(encoding="utf-8").split("\n")
        if rest:  # mend it, so that the next answer has a line of its own
            self.path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return [self._parsed(number, line) for number, line in enumerate(lines, 1)]

    def _parsed(self, number: int, line: str) -> dict[str, Any]:
        try:
            record = json.loads(line)
            if {record["real"], record["said"]} <= {"left", "right"}:
                return {**record, "seconds": float(record["seconds"])}
            raise ValueError("neither left nor right")
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"{self.path} line {number} should be an answer but cannot be read ({error!r}); "
                "mend it or name another file with --answers"
            ) from None


@dataclass(frozen=True, kw_only=True)
class Score:
    """So many right answers out of so many, and the share's 95 % interval."""

    right: int
    answers: int
    low: float
    high: float

    def __str__(self) -> str:
        share = f"{self.right / self.answers:.2f}" if self.answers else "-"
        return f"{share} ({self.low:.2f} to {self.high:.2f}), {self.right} of {self.answers} right"


def score(answers: Iterable[dict[str, Any]]) -> Score:
    """How many answers are right, with Wilson's binomial interval (JASA 22, 1927)."""
    right = [answer["said"] == answer["real"] for answer in answers]
    low, high = wilson(sum(right), len(right))
    return Score(right=sum(right), answers=len(right), low=low, high=high)


def wilson(right: int, answers: int) -> tuple[float, float]:
    """Wilson's 95 % score interval of a share; 0 to 1 of nothing."""
    if answers == 0:
        return 0.0, 1.0
    share, z = right / answers, DEVIATIONS
    middle = (share + z**2 / (2 * answers)) / (1 + z**2 / answers)
    half = z * (share * (1 - share) / answers + z**2 / (4 * answers**2)) ** 0.5
    half /= 1 + z**2 / answers
    return max(0.0, middle - half), min(1.0, middle + half)


def scores(test: Trials, answers: Iterable[dict[str, Any]], person: str | None = None) -> list[str]:
    """A line for each length of clips: the score of everybody, or of one, on this world's weights.

    Other weights' answers in the same file do not count.
    """
    own = [a for a in answers if a["weights"] == test.weights and person in (None, a["person"])]
    return [
        f"{seconds:g} s: {score(a for a in own if a['seconds'] == seconds)}" for seconds in SECONDS
    ]

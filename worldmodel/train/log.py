"""What a run tells while it goes on: a line on the terminal, a JSON object a line in a file."""

import json
import os
import socket
import time
from pathlib import Path
from typing import Any

from torch import Tensor

from worldmodel.data.atomic import sync
from worldmodel.data.progress import clock
from worldmodel.train.config import TrainConfig
from worldmodel.train.ranks import ranks, restarts, say

LOG, EVENTS = "log.jsonl", "events.jsonl"


class RunLog:
    """One JSON object a line, appended; lines after a resumed step are dropped first."""

    def __init__(self, path: Path, resumed_at: int) -> None:
        self.path = path
        kept = [line for line in complete_lines(path) if json.loads(line)["step"] <= resumed_at]
        partial = path.with_suffix(".partial")
        partial.write_text("".join(f"{line}\n" for line in kept))
        sync(partial)
        partial.replace(path)

    def write(self, record: dict[str, object]) -> None:
        append_line(self.path, record)


def append_line(path: Path, record: dict[str, object]) -> None:
    with path.open("a") as file:
        file.write(json.dumps(record) + "\n")


def complete_lines(path: Path) -> list[str]:
    """The lines of a file that another process may be writing or has been killed at."""
    if not path.exists():
        return []
    lines = path.read_text().split("\n")
    return [line for line in lines[:-1] if line.startswith("{") and line.endswith("}")]


def note_event(run: Path, kind: str, step: int) -> None:
    """Add to a run's events that it began, went on or stopped: when, where, by how many ranks."""
    about = {"machine": socket.gethostname(), "process": os.getpid()}
    when = {"event": kind, "step": step, "time": round(time.time(), 1)}
    append_line(run / EVENTS, when | {"ranks": ranks(), "restart": restarts()} | about)


class Meter:
    """Means since the last report, speed and time left.

    `kept` is what `as_json` gave when the run was saved, so that a report that spans a
    stop is the one that would have been made without it.
    """

    def __init__(
        self, start: int, config: TrainConfig, frames_per_step: int, kept: dict[str, Any]
    ) -> None:
        self.config, self.frames_per_step = config, frames_per_step
        self.sums: dict[str, float] = dict(kept.get("sums", {}))
        self.count: int = kept.get("count", 0)
        self.step, self.since = start, time.monotonic()

    def add(self, values: dict[str, Tensor]) -> None:
        self.count += 1
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0.0) + float(value)

    def as_json(self) -> dict[str, Any]:
        return {"sums": self.sums, "count": self.count}

    def report(self, step: int) -> dict[str, object]:
        """Print a line and return its figures; starts a new interval."""
        elapsed = max(1e-9, time.monotonic() - self.since)
        means = {name: total / self.count for name, total in self.sums.items()}
        rate = (step - self.step) / elapsed
        left = (self.config.steps - step) / rate
        speed = rate * self.frames_per_step
        say(
            f"step {step:6d}/{self.config.steps}  {figures_line(means)}  {speed:6.1f} frames/s  "
            f"{clock(left)} left"
        )
        self.step, self.since, self.sums, self.count = step, time.monotonic(), {}, 0
        clocks = {"frames_per_second": speed, "seconds_left": round(left, 1)}
        return {"step": step, "of": self.config.steps, **means, **clocks}


def figures_line(values: dict[str, float]) -> str:
    return "  ".join(f"{name} {value:.4g}" for name, value in values.items())

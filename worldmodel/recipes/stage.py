"""A stage of a recipe: what it makes, the command that would make it alone, and its record."""

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from worldmodel.data.atomic import write_json
from worldmodel.data.records import read_json
from worldmodel.errors import UserError

RECORD = "record.json"


@dataclass(frozen=True)
class Folders:
    """Where a recipe works: episodes in `data`, arrays beside them, a folder a stage in `run`."""

    data: Path
    run: Path

    @property
    def arrays(self) -> Path:
        return self.data / "arrays"

    def of(self, stage: str) -> Path:
        return self.run / stage

    def world(self, stage: str) -> Path:
        """The checkpoint that a stage ends with."""
        return self.run / stage / "checkpoint"


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One stage; `updates` is how many its log ends at, 0 for a stage without a log."""

    name: str
    command: Callable[[Folders], str]
    make: Callable[[Folders], object]
    updates: int = 0
    flops: dict[str, object] = field(default_factory=dict)  # what `update_flops` needs


def done(stage: Stage, folders: Folders) -> bool:
    """Whether an earlier call finished it; UserError if that was another stage of this name."""
    path = folders.of(stage.name) / RECORD
    if not path.is_file():
        return False
    record, command = read_json(path), stage.command(folders)
    if record["command"] != command:
        raise UserError(
            f"{path.parent} was begun as `{record['command']}` and is now `{command}`; give the "
            "recipe as it was begun, or another --run folder"
        )
    return bool(record["finished"])


def carry_out(stage: Stage, folders: Folders) -> None:
    """Do a stage and note how long it took, however it ends.

    Raises KeyboardInterrupt when a training was asked to stop: the same call goes on from there.
    """
    folder, start = folders.of(stage.name), time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / RECORD
    spent = float(read_json(path)["seconds"]) if path.is_file() else 0.0
    record = {"command": stage.command(folders), "processors": len(os.sched_getaffinity(0))}
    finished = False
    try:
        stage.make(folders)
        finished = not stage.updates or logged_updates(folder) >= stage.updates
    finally:
        seconds = spent + time.monotonic() - start
        write_json(path, record | {"seconds": seconds, "finished": finished})
    if not finished:
        raise KeyboardInterrupt


def logged_updates(folder: Path) -> int:
    """The last update in a run's log."""
    return max((int(line["step"]) for line in log_lines(folder)), default=0)


def heldout_figures(folder: Path) -> dict[str, float]:
    """The last figures of a run's log that were not taken on what it learns from."""
    found = [line["heldout"] for line in log_lines(folder) if "heldout" in line]
    return found[-1] if found else {}


def log_lines(folder: Path) -> list[dict]:
    path = folder / "log.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []

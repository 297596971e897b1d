"""Following a run from another process: what it has told since one last looked."""

import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from worldmodel.data.progress import clock
from worldmodel.errors import UserError
from worldmodel.train.log import EVENTS, LOG, complete_lines, figures_line

QUIET = {"step", "of", "frames_per_second", "seconds_left"}  # told in words
LOOK_EVERY = 2.0  # seconds
DONE = {"finished", "stopped", "not finite"}


class Tail:
    """The lines that were added to a JSON-lines file since the last look.

    `start_again` is set when a resumed run has cut off what it will repeat: then all are new.
    """

    def __init__(self, path: Path) -> None:
        self.path, self._seen, self.start_again = path, [], False

    def new(self) -> list[dict[str, Any]]:
        lines = complete_lines(self.path)
        self.start_again = lines[: len(self._seen)] != self._seen
        fresh = lines if self.start_again else lines[len(self._seen) :]
        self._seen = lines
        return [json.loads(line) for line in fresh]


def require_run(run: Path) -> None:
    """Raise UserError when `run` is no folder of a run."""
    if not (run / LOG).is_file():
        raise UserError(
            f"{run} holds no run ({LOG} is missing); give the --run folder of a train command"
        )


def told(record: dict[str, Any]) -> str:
    """A line of the log or of the events, in words."""
    if "event" in record:
        ranks = f" on {record['ranks']} ranks" if record["ranks"] > 1 else ""
        again = f", restart {record['restart']}" if record["restart"] else ""
        when = time.strftime("%H:%M:%S", time.localtime(record["time"]))
        return f"{when}  {record['event']} at step {record['step']}{ranks}{again}"
    kind = _kind(record)
    if kind in record:
        return f"step {record['step']:6d}  {kind}  {figures_line(record[kind])}"
    figures = {name: value for name, value in record.items() if name not in QUIET}
    of = f"/{record['of']}" if "of" in record else ""
    speed = f"{record['frames_per_second']:.1f} frames/s"
    left = f"  {clock(record['seconds_left'])} left" if "seconds_left" in record else ""
    return f"step {record['step']:6d}{of}  {figures_line(figures)}  {speed}{left}"


def _kind(line: dict[str, Any]) -> str:
    return next((kind for kind in ("heldout", "watched") if kind in line), "training")


def follow(run: Path, once: bool = False) -> Iterator[str]:
    """What a run has told, newest last, and then, unless `once`, what it tells until it ends."""
    require_run(run)
    log, events = Tail(run / LOG), Tail(run / EVENTS)
    begun = events.new()
    lines = log.new()
    newest = {
        next((k for k in ("heldout", "watched") if k in line), "loss"): line for line in lines
    }
    yield from map(told, begun[-1:])
    yield from map(told, newest.values())
    while not once and not _over(begun):
        time.sleep(LOOK_EVERY)
        begun = events.new() or begun
        yield from map(told, log.new())
    if _over(begun):
        yield _ending(begun[-1])


def _over(events: list[dict[str, Any]]) -> bool:
    return bool(events) and (events[-1]["event"] in DONE or not _runs(events[-1]))


def _ending(last: dict[str, Any]) -> str:
    if last["event"] in DONE:
        return told(last)
    return f"process {last['process']} is gone; the same train command goes on from the last state"


def _runs(event: dict[str, Any]) -> bool:
    """Whether the process of an event still runs; one on another machine is believed to."""
    if event["machine"] != socket.gethostname():
        return True
    try:
        os.kill(event["process"], 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True

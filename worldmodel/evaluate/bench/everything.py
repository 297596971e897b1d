"""`worldmodel bench all`: every bench, one after another, each in a process of its own.

So none of them finds threads, memory or settings that another has left.
"""

import subprocess
import sys
from pathlib import Path

from worldmodel.errors import UserError
from worldmodel.evaluate.bench.report import progress

WORLD = "{checkpoint}"
CALLS = (
    ("play", WORLD),
    ("serve", WORLD),
    ("serve", WORLD, "--stub", "--fps", "30", "--players", "1", "8", "32"),
    ("decode", WORLD),
    ("attention", WORLD),
    ("train", "--stage", "world"),
    ("train", "--stage", "motion"),
    ("train", "--stage", "tokenizer"),
)


def bench_all(checkpoint: Path, out: Path, calls: tuple[tuple[str, ...], ...] = CALLS) -> None:
    """Write a line of JSON for each bench into `out`, which is whole or not there at all.

    Raises UserError when one of them does.
    """
    lines = []
    for number, call in enumerate(calls, start=1):
        words = [str(checkpoint) if word == WORLD else word for word in call]
        progress(f"{number} of {len(calls)}: worldmodel bench {' '.join(words)}")
        lines.append(run([sys.executable, "-m", "worldmodel", "bench", *words, "--json"]))
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(f".{out.name}.partial")
    partial.write_text("".join(lines))
    partial.replace(out)
    print(f"{len(lines)} benches written to {out}")


def run(command: list[str]) -> str:
    """The line that a bench prints; what it says beside that goes to whoever waits."""
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise UserError(f"`{' '.join(command[1:])}` failed, as it says above; nothing was written")
    return done.stdout.splitlines()[-1] + "\n"

"""`worldmodel bench train`: frames a second of training at a preset, and where the time goes.

The real training loop runs, on made-up data of the preset's shapes: what it costs does not depend
on what is in it.
"""

import contextlib
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import nn
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)
from torch.utils.flop_counter import FlopCounterMode

from worldmodel.errors import UserError
from worldmodel.evaluate.bench.compare import Sample
from worldmodel.evaluate.bench.machine import (
    machine,
    matrix_rates,
    milliseconds,
    peak_memory,
    rate,
    use_threads,
)
from worldmodel.evaluate.bench.made_up import STAGES, Stage, made_up_stage
from worldmodel.evaluate.bench.report import progress
from worldmodel.evaluate.flops import ATTENTION
from worldmodel.train.loop import train

WARM = 2  # updates before measuring: moments are there, memory is mapped


def bench_train(
    *,
    preset: str = "cpu",
    stage: str = "world",
    updates: int = 12,
    batch: int | None = None,
    bf16: bool = True,
    compile: bool = False,
    threads: int | None = None,
) -> dict[str, object]:
    """Measure so many updates of a stage; JSON-ready. Raises UserError: no such preset or stage.

    "own_past" are updates of a world's last stretch, where it dreams a part of its past itself.
    """
    use_threads(threads)
    if updates < 2:
        raise UserError(f"updates must be at least 2, found {updates}; give a number to measure")
    with prepared(preset, stage, batch, bf16, compile) as made:
        progress(f"{updates} updates of the {stage} at the preset {preset}")
        parts, later = timed(made, updates)
        counted = flops_counted(made)
        rates = matrix_rates()
        whole = [sum(update.values()) for update in parts]
        formula = made.forward_flops * 3  # as much again for each of the two gradients
        best = rates["bfloat16" if made.config.bf16 else "float32"]
        names = {name: [update[name] for update in parts] for name in parts[0]}
        frames = made.objective.frames_per_step
        report: dict[str, object] = {
            "bench": "train",
            "preset": preset,
            "stage": stage,
            "frames_per_second": rate(whole, frames),
            "frames_per_update": frames,
            "milliseconds": {"update": milliseconds(whole)}
            | {name: milliseconds(values) for name, values in names.items()},
            "gflop_per_update": {"formula": formula / 1e9, "counted": counted / 1e9},
            "gflop_per_second": rate(whole, formula / 1e9),
            "matrix_gflops": rates,
            "fraction_of_matrix_rate": formula / 1e9 / median(whole) / best,
        }
        if later:
            report["own_past"] = {
                "frames_per_second": rate([sum(update.values()) for update in later], frames)
            }
        kind = "bfloat16" if made.config.bf16 else "float32"
        return report | {"type": kind, "peak_memory_mb": peak_memory(), "machine": machine()}


def sample_train(
    *,
    preset: str = "cpu",
    stage: str = "world",
    batch: int | None = None,
    bf16: bool = True,
    compile: bool = False,
    threads: int | None = None,
) -> Sample:
    """For comparisons: seconds of one frame of training, of two updates after a first."""
    with prepared(preset, stage, batch, bf16, compile) as made:
        pass  # its arrays stay mapped when their files are gone

    def sample() -> float:
        use_threads(threads)
        updates, _ = timed(replace(made, own=False), 2, warm=1)
        return median(sum(u.values()) for u in updates) / made.objective.frames_per_step

    return sample


@contextlib.contextmanager
def prepared(
    preset: str, stage: str, batch: int | None, bf16: bool, compiled: bool
) -> Iterator[Stage]:
    if stage not in STAGES:
        raise UserError(f"unknown stage {stage!r}; choose one of {', '.join(STAGES)}")
    changes: dict[str, Any] = {"compile": compiled}
    changes |= {} if bf16 else {"bf16": False}
    changes |= {} if batch is None else {"batch": batch}
    with tempfile.TemporaryDirectory(prefix="worldmodel-bench-") as folder:
        yield made_up_stage(preset, stage, Path(folder), changes)


@dataclass
class Watch:
    """Seconds of the parts of every update, as an objective and optimisers tell them."""

    updates: list[dict[str, float]]
    last: float = 0.0
    optimising: bool = False

    def begin(self) -> None:
        """A batch is asked for: the update before has ended with what is left."""
        self.optimising = False
        if self.updates:
            self.lap("average")
        self.updates.append({})
        self.last = time.perf_counter()

    def lap(self, part: str) -> None:
        now = time.perf_counter()
        update = self.updates[-1]
        update[part] = update.get(part, 0.0) + now - self.last
        self.last = now

    def around(self, function: Callable, part: str, before: Callable[[], None]) -> Callable:
        """`function` with its time noted under `part`."""

        def watched(*args: object) -> object:
            before()
            result = function(*args)
            self.lap(part)
            return result

        return watched

    def before_optimiser(self, *args: object) -> None:
        if not self.optimising:
            self.lap("backward")
        self.optimising = True

    def after_optimiser(self, *args: object) -> None:
        self.lap("optimiser")


def timed(made: Stage, updates: int, warm: int = WARM) -> tuple[list[dict[str, float]], ...]:
    """Seconds of the parts of so many updates, and of as many with own pasts if there are any."""
    stretch = warm + updates
    count = stretch * (2 if made.own else 1)
    config = replace(
        made.config, steps=count, warmup=1, log_every=count, save_every=count,
        validate_every=count, picture_every=count,
    )  # fmt: skip
    objective, watch = made.objective, Watch([])
    objective.steps = count if made.own else 10**9  # where own pasts begin: at half of it
    objective.batch = watch.around(objective.batch, "data", watch.begin)
    objective.loss = watch.around(objective.loss, "forward", lambda: None)
    objective.validate, objective.draw = lambda network: watch.begin() or {}, lambda *args: None
    hooks = (
        register_optimizer_step_pre_hook(watch.before_optimiser),
        register_optimizer_step_post_hook(watch.after_optimiser),
    )
    try:
        with tempfile.TemporaryDirectory() as run, contextlib.redirect_stdout(sys.stderr):
            train(made.network, objective, config, Path(run))
    finally:
        for hook in hooks:
            hook.remove()
        for name in ("batch", "loss", "validate", "draw"):
            vars(objective).pop(name)
    done = watch.updates[:count]
    return done[warm:stretch], done[stretch + 1 :]


def flops_counted(made: Stage) -> int:
    """Operations of an update's forward and backward pass as PyTorch counts them."""
    objective, config = made.objective, made.config
    objective.steps = 10**9
    with warnings.catch_warnings(), FlopCounterMode(display=False, custom_mapping=ATTENTION) as n:
        warnings.simplefilter("ignore")  # as in the loop: norms have float32 weights
        with torch.autocast("cpu", torch.bfloat16, enabled=config.bf16):
            loss, _ = objective.loss(made.network, objective.batch(0), 0)
        loss.backward()
    nn.Module.zero_grad(made.network)
    return n.get_total_flops()

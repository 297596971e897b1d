"""The one training loop: objectives differ, this does not. A run is a function of (seed, step)."""

import contextlib
import copy
import math
import signal
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from worldmodel.errors import UserError
from worldmodel.train.config import TrainConfig, rate_at
from worldmodel.train.objective import Objective
from worldmodel.train.optimiser import make_optimisers, set_rate
from worldmodel.train.state import RunLog, load_state, save_state


def train(
    network: nn.Module,
    objective: Objective,
    config: TrainConfig,
    run: Path,
    publish: Callable[[nn.Module], None] = lambda average: None,
) -> nn.Module:
    """Train `network` in the folder `run` up to `config.steps`; returns the averaged weights.

    `publish` is given the averaged weights whenever the state is saved. Resumes from
    `run/state.safetensors` when there is one. Interrupt (Ctrl+C, SIGTERM) saves first. Raises
    UserError when loss or gradient is not finite or the state can't be written.
    """
    if config.threads:
        torch.set_num_threads(config.threads)
    run.mkdir(parents=True, exist_ok=True)
    average = copy.deepcopy(network).requires_grad_(False).eval()
    optimisers = make_optimisers(network, config)
    state = run / "state.safetensors"
    start = load_state(state, network, average, optimisers) if state.exists() else 0
    log, meter = RunLog(run / "log.jsonl", start), Meter(start, config, objective.frames_per_step)
    if config.compile:
        network.compile(dynamic=False)
    with stop_requests() as stopping, warnings.catch_warnings():
        # norms have float32 weights under autocast, and PyTorch says so once
        warnings.filterwarnings("ignore", message="Mismatch dtype between input and weight")
        for step in range(start, config.steps):
            values = update(network, average, optimisers, objective, step, config, state)
            done = step + 1
            meter.add(values)
            if done % config.log_every == 0 or done == config.steps:
                log.write(meter.report(done))
            if done % config.validate_every == 0 or done == config.steps:
                figures = objective.validate(average)
                log.write({"step": done, "heldout": figures})
                print("  held-out  " + _line(figures), flush=True)
            if done % config.picture_every == 0 or done == config.steps:
                objective.draw(average, run / f"step-{done:06d}.png")
            if done % config.save_every == 0 or done == config.steps or stopping.is_set:
                save_state(state, done, network, average, optimisers)
                publish(average)
            if stopping.is_set:
                print(f"stopped and saved at step {done}; the same command goes on from here")
                break
    return average


def update(
    network: nn.Module,
    average: nn.Module,
    optimisers: list[torch.optim.Optimizer],
    objective: Objective,
    step: int,
    config: TrainConfig,
    state: Path,
) -> dict[str, Tensor]:
    """One optimiser step and one step of the moving average.

    Raises UserError, before the weights change, when loss or gradient is not finite; `state` is
    where the last good weights are.
    """
    device = next(network.parameters()).device
    batch = objective.batch(step)
    with torch.autocast(device.type, torch.bfloat16, enabled=config.bf16):
        loss, values = objective.loss(network, batch, step)
    loss.backward()
    norm = nn.utils.clip_grad_norm_(network.parameters(), config.clip_norm)
    _require_finite({"loss": loss.detach(), "gradient": norm}, step, state)
    set_rate(optimisers, rate_at(step, config))
    for optimiser in optimisers:
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
    _follow(average, network, min(config.ema, (1 + step) / (10 + step)))
    return {"loss": loss.detach(), "gradient": norm, **values}


def _require_finite(values: dict[str, Tensor], step: int, state: Path) -> None:
    for name, value in values.items():
        if not math.isfinite(float(value)):
            good = f"the last good state is in {state}" if state.exists() else "no state was saved"
            again = "resume" if state.exists() else "start again"
            raise UserError(
                f"the {name} was not finite at step {step}; {good}: "
                f"lower the learning rate and {again}"
            )


@torch.no_grad()
def _follow(average: nn.Module, network: nn.Module, decay: float) -> None:
    slow, fast = list(average.parameters()), list(network.parameters())
    torch._foreach_lerp_(slow, fast, 1 - decay)
    for kept, new in zip(average.buffers(), network.buffers(), strict=True):
        kept.copy_(new)


class Meter:
    """Means since the last report, speed and time left."""

    def __init__(self, start: int, config: TrainConfig, frames_per_step: int) -> None:
        self.config, self.frames_per_step = config, frames_per_step
        self.step, self.since, self.sums, self.count = start, time.monotonic(), {}, 0

    def add(self, values: dict[str, Tensor]) -> None:
        self.count += 1
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0.0) + float(value)

    def report(self, step: int) -> dict[str, object]:
        """Print a line and return its figures; starts a new interval."""
        elapsed = max(1e-9, time.monotonic() - self.since)
        means = {name: total / self.count for name, total in self.sums.items()}
        rate = (step - self.step) / elapsed
        left = (self.config.steps - step) / rate
        speed = rate * self.frames_per_step
        print(
            f"step {step:6d}/{self.config.steps}  {_line(means)}  {speed:6.1f} frames/s  "
            f"{_clock(left)} left",
            flush=True,
        )
        self.step, self.since, self.sums, self.count = step, time.monotonic(), {}, 0
        return {"step": step, **means, "frames_per_second": speed}


class StopFlag:
    is_set = False


@contextlib.contextmanager
def stop_requests() -> Iterator[StopFlag]:
    """Turns the first SIGINT or SIGTERM into a flag, so that a run can save before it ends."""
    flag = StopFlag()
    handlers = {}

    def request(number: int, frame: object) -> None:
        flag.is_set = True
        signal.signal(number, handlers[number])

    for number in (signal.SIGINT, signal.SIGTERM):
        handlers[number] = signal.signal(number, request)
    try:
        yield flag
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _line(values: dict[str, float]) -> str:
    return "  ".join(f"{name} {value:.4g}" for name, value in values.items())


def _clock(seconds: float) -> str:
    minutes = int(seconds // 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{int(seconds % 60):02d}"

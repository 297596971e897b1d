"""The one training loop: objectives differ, this does not. A run is a function of (seed, step)."""

import contextlib
import copy
import errno
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from worldmodel.errors import UserError
from worldmodel.train.config import TrainConfig, rate_at
from worldmodel.train.gradients import (
    Gradients,
    a_rank_is_gone,
    gradient_norm,
    recompute_blocks,
    without_noise,
)
from worldmodel.train.log import LOG, Meter, RunLog, figures_line, note_event
from worldmodel.train.objective import Objective
from worldmodel.train.offence import not_finite, offence, save_offence
from worldmodel.train.optimiser import make_optimisers, set_rate
from worldmodel.train.ranks import (
    about_ranks,
    any_rank,
    join_ranks,
    rank,
    say,
    wait_for_ranks,
)
from worldmodel.train.sharding import Gatherer, shard
from worldmodel.train.state import (
    STATE,
    forget_states,
    latest_state,
    load_state,
    save_state,
    state_note,
)
from worldmodel.train.stopping import stop_requests

Watch = Callable[[nn.Module, Path], dict[str, float]]


def train(
    network: nn.Module,
    objective: Objective,
    config: TrainConfig,
    run: Path,
    publish: Callable[[nn.Module], None] = lambda average: None,
    watch: Watch | None = None,
) -> nn.Module:
    """Train `network` in the folder `run` up to `config.steps`; returns the averaged weights.

    `publish` is given the averaged weights whenever the state is saved; `watch`, together with a
    path for a moving picture, whenever they are judged, and returns further figures. Resumes from
    the newest state in `run` when there is one. Interrupt (Ctrl+C, SIGTERM) saves first. Under
    `torchrun` all ranks call this. Raises UserError when loss or gradient is not finite, the state
    can't be written or another rank is gone.
    """
    join_ranks()
    if config.threads:
        torch.set_num_threads(config.threads)
    run.mkdir(parents=True, exist_ok=True)
    training = Training(network, objective, config, run, publish, watch)
    with stop_requests() as stopping, without_noise(), told_in_a_sentence(run):
        training.begin()
        for step in range(training.start, config.steps):
            training.step(step)
            if any_rank(stopping.is_set) and step + 1 < config.steps:
                training.save(step + 1)
                say(f"stopped and saved at step {step + 1}; the same command goes on from here")
                training.event("stopped", step + 1)
                break
        return training.whole(training.average)


class Training:
    """A run in progress: network, average, optimisers, log, and where they are kept."""

    def __init__(
        self, network: nn.Module, objective: Objective, config: TrainConfig, run: Path,
        publish: Callable[[nn.Module], None], watch: Watch | None,
    ) -> None:  # fmt: skip
        self.network, self.objective, self.config, self.run = network, objective, config, run
        self.publish, self.watch = publish, watch
        self.average = copy.deepcopy(network).requires_grad_(False).eval()
        self.whole = Gatherer(self.average, config.shard)
        if config.recompute:
            recompute_blocks(network)
        if config.shard:
            shard([network, self.average])
        self.optimisers = make_optimisers(network, config)
        state = latest_state(run)
        self.start, kept = 0, {}
        if state:
            self.start = load_state(state, network, self.average, self.optimisers)
            kept = state_note(state)["meter"]
        self.meter = Meter(self.start, config, objective.frames_per_step * config.accumulate, kept)
        self.saved_at = self.start
        if config.compile:
            network.compile(dynamic=False)

    def begin(self) -> None:
        """Open the log and say where the run stands; what was saved last is published again."""
        self.gradients = Gradients(self.network, self.objective, self.config)
        wait_for_ranks()
        self.log = RunLog(self.run / LOG, self.start) if rank() == 0 else None
        if self.start:
            say(f"goes on from step {self.start}{about_ranks()}")
            self._on_first_rank(self.publish)  # it may have been killed just before
        if self.start < self.config.steps:
            self.event("resumed" if self.start else "began", self.start)

    def step(self, step: int) -> None:
        """Update `step`, and whatever is due after it."""
        values, done = self.update(step), step + 1
        self.meter.add(values)
        due = {
            name: done % every == 0 or done == self.config.steps
            for name, every in vars(self.config).items()
            if name.endswith("_every")
        }
        if due["log_every"]:
            self.write(self.meter.report(done))
        if due["validate_every"]:
            self._on_first_rank(lambda average: self.judge(average, done))
        if due["picture_every"]:
            path = self.run / f"step-{done:06d}.png"
            self._on_first_rank(lambda average: self.objective.draw(average, path))
        if due["save_every"]:
            self.save(done)
        if done == self.config.steps:
            self.event("finished", done)

    def update(self, step: int) -> dict[str, Tensor]:
        """One optimiser step and one step of the moving average.

        Raises UserError, before the weights change, when loss or gradient is not finite.
        """
        values = self.gradients(step)
        norm = gradient_norm(self.network)
        values = {"loss": values.pop("loss"), "gradient": norm, **values}
        wrong = not_finite({name: values[name] for name in ("loss", "gradient")})
        if wrong:
            self.refuse(wrong, step, values)
        nn.utils.clip_grads_with_norm_(self.network.parameters(), self.config.clip_norm, norm)
        set_rate(self.optimisers, rate_at(step, self.config))
        for optimiser in self.optimisers:
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        _follow(self.average, self.network, min(self.config.ema, (1 + step) / (10 + step)))
        return values

    def refuse(self, wrong: list[str], step: int, values: dict[str, Tensor]) -> None:
        """Keep the offending update for a replay and stop."""
        folder = save_offence(
            self.run, step, values, self.gradients, self.average, self.optimisers, self.config
        )
        self.event("not finite", step)
        raise offence(wrong, step, folder, latest_state(self.run))

    def save(self, done: int) -> None:
        """Write the state, forget the one before, publish the averaged weights."""
        if done == self.saved_at:
            return
        path = self.run / (f"state-{done:06d}" if self.config.shard else STATE)
        if self.config.shard or rank() == 0:
            kept = self.meter.as_json()
            save_state(path, done, self.network, self.average, self.optimisers, kept)
        self.saved_at = done
        if rank() == 0:
            forget_states(self.run, path)
        self._on_first_rank(self.publish)

    def judge(self, average: nn.Module, done: int) -> None:
        """Held-out figures, and what else is watched, into the log."""
        figures = self.objective.validate(average)
        say("  held-out  " + figures_line(figures))
        self.write({"step": done, "heldout": figures})
        if self.watch:
            watched = self.watch(average, self.run / f"rollout-{done:06d}.gif")
            say("  watched   " + figures_line(watched))
            self.write({"step": done, "watched": watched})

    def write(self, record: dict[str, object]) -> None:
        if self.log:
            self.log.write(record)

    def event(self, kind: str, step: int) -> None:
        if rank() == 0:
            note_event(self.run, kind, step)

    def _on_first_rank(self, work: Callable[[nn.Module], None]) -> None:
        average = self.whole(self.average)
        if rank() == 0:
            work(average)


@torch.no_grad()
def _follow(average: nn.Module, network: nn.Module, decay: float) -> None:
    slow, fast = list(average.parameters()), list(network.parameters())
    torch._foreach_lerp_(slow, fast, 1 - decay)
    for kept, new in zip(average.buffers(), network.buffers(), strict=True):
        kept.copy_(new)


@contextlib.contextmanager
def told_in_a_sentence(run: Path) -> Iterator[None]:
    """A full disk and a rank that died are the user's business, in one sentence each."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise UserError(
            f"the disk of {run} is full ({error.strerror}); the last state is intact: make room, "
            "and the same command goes on from there"
        ) from None
    except RuntimeError as error:
        if not a_rank_is_gone(error):
            raise
        reason = str(error).splitlines()[0][:200]
        raise UserError(
            f"rank {rank()} lost another rank of {run} ({reason}); the last state is intact: "
            "torchrun --max-restarts starts all again from there, or the same command does"
        ) from None

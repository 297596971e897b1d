"""Long dreams under three kinds of keys, of which figures are kept and not all frames.

Shapes: b runs, t frames, m controls, H W pixels.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from worldmodel.data.clips import FrameStore, Span
from worldmodel.errors import UserError
from worldmodel.evaluate.clips import seeds_at
from worldmodel.evaluate.dreams import Dreamer
from worldmodel.evaluate.ssim import colour, gradient_energy
from worldmodel.evaluate.subject import Subject
from worldmodel.games.base import ControlSpace
from worldmodel.games.players import Sticky

STRETCH = 64  # frames of a stretch
TOGETHER = 8  # runs that go at once: what more of them remember no longer fits into caches
BETWEEN = 4  # frames between two of which features are taken


@dataclass(frozen=True)
class Runs:
    """Where long dreams begin, and the recording whose keys may be held.

    Rows int64 [b context + t] are those of one player's episodes, one after another. The `first`
    run's number says which noise is its own.
    """

    rows: np.ndarray
    seeds: np.ndarray  # int64 [b]
    context: int
    first: int = 0

    def __len__(self) -> int:
        return len(self.rows)

    def part(self, start: int, count: int) -> "Runs":
        """So many of them, from number `start` on."""
        some = slice(start, start + count)
        return Runs(self.rows[some], self.seeds[some], self.context, self.first + start)

    def real(self, store: FrameStore, at: slice) -> Tensor:
        """What was recorded at frames `at` of the dream, uint8 [b n H W 3]."""
        inside = slice(at.start + self.context, at.stop + self.context)
        return torch.as_tensor(np.stack([store.frames[rows] for rows in self.rows[:, inside]]))


def recorded_runs(store: FrameStore, count: int, frames: int, context: int) -> Runs:
    """`count` runs through the episodes of the player who has recorded most, each begun elsewhere.

    Raises UserError when there is no episode that is longer than a context.
    """
    episodes = [e for e in store.episodes if e.player == _most(store.episodes)]
    first = [e for e in episodes if e.stop - e.start >= context + STRETCH]
    if not first:
        raise UserError(
            f"no held-out episode has {context + STRETCH} frames; collect longer episodes"
        )
    rows = [_through(episodes, first[i % len(first)], context + frames) for i in range(count)]
    found = np.stack(rows)
    return Runs(found, seeds_at(store, found[:, 0]), context)


def _most(episodes: tuple[Span, ...]) -> str:
    total: dict[str, int] = {}
    for episode in episodes:
        total[episode.player] = total.get(episode.player, 0) + episode.stop - episode.start
    return max(total, key=total.__getitem__)


def _through(episodes: list[Span], begin: Span, length: int) -> np.ndarray:
    """Rows from an episode's first one on, into the episodes that follow it, round and round."""
    at = episodes.index(begin)
    order = np.concatenate([np.arange(e.start, e.stop) for e in episodes[at:] + episodes[:at]])
    return np.resize(order, length)


def random_keys(space: ControlSpace, count: int, frames: int) -> np.ndarray:
    """Buttons that somebody holds without looking, float32 [b t m]; axes stay at rest."""
    if set(space.buttons) >= {"forward", "backward", "strafe_left", "turn_left"}:
        return np.stack([_sticky(space, seed, frames) for seed in range(count)])
    draw, keys = np.random.default_rng(0), np.zeros((count, frames, space.size), np.float32)
    for run in keys:
        at = 0
        while at < frames:
            held = int(draw.integers(2, 17))
            run[at : at + held, : len(space.buttons)] = draw.random(len(space.buttons)) < 0.25
            at += held
    return keys


def _sticky(space: ControlSpace, seed: int, frames: int) -> np.ndarray:
    """The keys of the player who collects at random."""

    class Keyboard:
        controls = space

    player = Sticky()
    player.reset(seed)
    return np.stack([player.act(Keyboard()) for _ in range(frames)]).astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All runs go `ahead` frames, the first `far` of them go on to `frames`."""

    ahead: int
    far: int
    frames: int

    def count(self, runs: int) -> int:
        """Frames that so many runs dream in all."""
        ahead = min(self.ahead, self.frames)
        return runs * ahead + min(self.far, runs) * (self.frames - ahead)


@dataclass
class Journey:
    """What is kept of a long dream; where a run has ended, values are NaN."""

    sharpness: np.ndarray  # [b t], gradient energy
    colours: np.ndarray  # [b t 3]
    change: np.ndarray  # [b t], mean absolute change from the frame before, in grey levels
    held: np.ndarray  # bool [b t], whether any key was
    ended: np.ndarray  # int64 [b], levels that ended
    frames: dict[int, Tensor] = field(default_factory=dict)  # uint8 [b H W 3] at some frames

    def note(self, t: int, made: Tensor, before: Tensor | None) -> None:
        """Measure frame `t` of the runs that still go on, uint8 [b H W 3]."""
        n = len(made)
        self.sharpness[:n, t] = gradient_energy(made)
        self.colours[:n, t] = colour(made)
        if before is not None:
            self.change[:n, t] = (made.float() - before.float()).abs().mean(dim=(1, 2, 3))

    def stretch(self, start: int) -> Tensor:
        """Every BETWEEN-th frame of the stretch that begins at `start`, uint8 [b n H W 3], of the
        runs that went through all of it."""
        frames = [self.frames[t] for t in kept_of(start)]
        return torch.stack([frame[: len(frames[-1])] for frame in frames], dim=1)


def kept_of(start: int) -> range:
    return range(start, start + STRETCH, BETWEEN)


@torch.inference_mode()
def travel(
    subject: Subject, runs: Runs, controls: np.ndarray, *, plan: Plan, keep: set[int],
    advance: Callable[[int], None], after: Callable[[Dreamer, Runs], None] | None = None,
) -> Journey:  # fmt: skip
    """Dream under `controls` [b t m] as planned.

    Frames whose number, counted from 0, is in `keep` are kept. `after` is shown the dreamer of
    some runs when these have gone `plan.ahead` frames.
    """
    parts = []
    for start in range(0, len(runs), TOGETHER):
        some = runs.part(start, TOGETHER)
        own = replace(plan, far=max(plan.far - start, 0))
        held = controls[start : start + TOGETHER]
        parts.append(_travel(subject, some, held, own, keep, advance, after))
    return joined(parts)


def _travel(
    subject: Subject, runs: Runs, controls: np.ndarray, plan: Plan, keep: set[int],
    advance: Callable[[int], None], after: Callable[[Dreamer, Runs], None] | None,
) -> Journey:  # fmt: skip
    """The same for runs that go together."""
    dreamer = begin(subject, runs)
    found, before = empty_journey(controls), None
    for t in range(plan.frames):
        if t == plan.ahead:
            if after:
                after(dreamer, runs)
            if not plan.far:
                break
            dreamer.leave(plan.far)
            before = before[: plan.far]
        made = dreamer.dream(torch.as_tensor(controls[: len(dreamer.seeds), t]))
        found.note(t, made, before)
        if t in keep:
            found.frames[t] = made
        before = made
        advance(len(made))
    found.ended[:] = dreamer.ended.numpy()
    return found


def joined(parts: Sequence[Journey]) -> Journey:
    """Journeys of some runs as one of all of them, of which the first have gone as far as any."""
    values = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("sharpness", "colours", "change", "held", "ended")
    )
    there = {t: [p.frames[t] for p in parts if t in p.frames] for t in parts[0].frames}
    return Journey(*values, {t: torch.cat(frames) for t, frames in there.items()})


def empty_journey(controls: np.ndarray) -> Journey:
    """A journey under `controls` [b t m] of which nothing is known yet."""
    b, t = controls.shape[:2]
    sharpness, change, colours = (np.full((b, t, *n), np.nan, np.float32) for n in ((), (), (3,)))
    return Journey(sharpness, colours, change, controls.any(axis=2), np.zeros(b, np.int64))


def begin(subject: Subject, runs: Runs) -> Dreamer:
    """A dreamer of all runs who has seen the real frames they begin with."""
    seeds = list(range(runs.first, runs.first + len(runs)))
    dreamer = Dreamer(subject.world, subject.setting, seeds)
    rows = runs.rows[:, : runs.context]
    dreamer.see(*encoded(subject, rows))
    return dreamer


def encoded(subject: Subject, rows: np.ndarray) -> tuple[Tensor, Tensor, Tensor]:
    """Latents [b t n c], controls [b t m] and frames uint8 [b t H W 3] of recorded rows [b t]."""
    frames = torch.as_tensor(np.stack([subject.store.frames[row] for row in rows]))
    latents = torch.stack([subject.world.tokenizer.encode(clip) for clip in frames])
    return latents, torch.as_tensor(subject.store.controls[rows]).float(), frames

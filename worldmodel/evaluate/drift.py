"""What becomes of a dream that goes on: under recorded keys, random ones, and none.

Shapes: b runs, t frames, n frames of a stretch of which features are taken, f features.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from worldmodel.errors import UserError
from worldmodel.evaluate import kid
from worldmodel.evaluate.dreams import Advance
from worldmodel.evaluate.figures import (
    Curve,
    Figure,
    Line,
    Picture,
    Section,
    bootstrap,
    ratio_of_means,
)
from worldmodel.evaluate.journeys import (
    STRETCH,
    Journey,
    Plan,
    Runs,
    kept_of,
    random_keys,
    recorded_runs,
    travel,
)
from worldmodel.evaluate.lines import mean_line, strip
from worldmodel.evaluate.recovery import Recovery
from worldmodel.evaluate.ssim import colour, gradient_energy, psnr
from worldmodel.evaluate.subject import Subject

RECORDED, RANDOM, NONE = "recorded keys", "random keys", "no keys"
AHEAD = 512  # frames that every run goes
FAR = 4  # runs that go to the end
FIRST, LATER = 0, 448  # where the stretches begin that are compared
STRETCHES = (FIRST, 192, LATER, 960, 1472)
FROZEN = 0.5  # grey levels: what changes less has not moved
STAND = 30.0  # seconds without a key
LANDED = 16  # frames without a key after which who began in the air has come to the ground
BIN = 25  # frames of a point in a curve
SHOWN = (1, 64, 256, 512, 1000, 1500, 2000)

TEXT = (
    "Long dreams from {starts} places: all go {ahead} frames, {far} of them {frames}. With "
    "recorded keys they hold what was held in held-out recordings, one after another, and are "
    "compared with the frames recorded then; with random keys too, though they go elsewhere. With "
    "no keys they are compared with the real frame they began after, and with frame {landed}, as "
    "who begins in the air falls. Real frames of a late stretch against real ones of the first say "
    "how much of a late KID is other levels and chance. Gradient energy is the mean square step of "
    "grey from a pixel to the next, over that of the real frames. A frame is frozen "
    "when it changes by less than {frozen:g} grey levels while a key is held. Colour is how far "
    "the mean colour lies from the real one. Re-anchored means that after {ahead} frames some real "
    "ones are remembered in the place of dreamed ones."
)


@dataclass(frozen=True)
class Kind:
    """One kind of keys: the runs, what they dreamed, and the real frames of each stretch."""

    name: str
    runs: Runs
    journey: Journey
    real: Mapping[int, Tensor]  # stretch -> uint8 [b n H W 3], or [b 1 H W 3] where all stands
    pairs: Mapping[int, np.ndarray]  # stretch -> what KID is the mean of, [b b]
    apart: Mapping[int, np.ndarray]  # later stretch -> the same of real frames then and at first


def drift(subject: Subject) -> Section:
    """The section: KID, sharpness, colour and freezing against time; stillness; recovery."""
    budget, store = subject.budget, subject.store
    if budget.drift_frames < 2 * STRETCH:
        raise UserError(
            f"drift_frames must be at least {2 * STRETCH}, found {budget.drift_frames}; give more"
        )
    plan = Plan(ahead=min(AHEAD, budget.drift_frames), far=FAR, frames=budget.drift_frames)
    stand = min(round(STAND * store.fps), plan.frames)
    still = Plan(ahead=max(plan.ahead, stand), far=FAR, frames=plan.frames)
    context = subject.clips.context
    runs = recorded_runs(store, budget.drift_starts, plan.frames + 16, context)
    few = Runs(runs.rows[:FAR], runs.seeds[:FAR], context)
    plans = ((plan, len(runs)), (plan, len(few)), (still, len(runs)))
    progress = subject.progress("drift", sum(workload(each, count) for each, count in plans))
    recovery = Recovery(subject, runs, plan.ahead)
    rows = runs.rows[:, context : context + plan.frames]
    recorded = np.asarray(store.controls[rows], dtype=np.float32)
    random = random_keys(store.space, len(few), plan.frames)
    none = np.zeros_like(recorded)
    kinds = [
        explore(subject, RECORDED, runs, recorded, plan, progress.advance, recovery),
        explore(subject, RANDOM, few, random, plan, progress.advance),
        explore(subject, NONE, runs, none, still, progress.advance, stand=stand),
    ]
    progress.finish()
    return Section(
        title="Drift",
        text=TEXT.format(
            starts=len(runs), ahead=plan.ahead, far=min(FAR, len(runs)), frames=plan.frames,
            frozen=FROZEN, landed=LANDED,
        ),
        figures={k: v for kind in kinds for k, v in kind_figures(subject, kind).items()}
        | stillness(kinds[-1], stand) | recovery.figures() | levels(subject, kinds[0]),
        curves=(*curves(kinds), *recovery.curves()),
        pictures=tuple(film_strip(kind) for kind in kinds),
    )  # fmt: skip


def explore(
    subject: Subject, name: str, runs: Runs, controls: np.ndarray, plan: Plan, advance: Advance,
    recovery: Recovery | None = None, stand: int | None = None,
) -> Kind:  # fmt: skip
    """Dream and look at each stretch."""
    at = stretches(plan.frames)
    keep = {t for start in at for t in kept_of(start)} | {n - 1 for n in SHOWN}
    keep |= {plan.frames - 1} | ({0, LANDED - 1, stand - 1} if stand else set())
    journey = travel(subject, runs, controls, plan=plan, keep=keep, advance=advance, after=recovery)
    real, pairs, apart = {}, {}, {}
    for start in at:
        found = journey.stretch(start)
        part = Runs(runs.rows[: len(found)], runs.seeds[: len(found)], runs.context)
        real[start] = _reference(subject, part, start, name == NONE)
        features = [subject.features.pooled(x, advance) for x in (found, real[start])]
        pairs[start] = kid.clip_pairs(*features)
        if start == FIRST:
            begun = features[1]
        else:
            apart[start] = kid.clip_pairs(features[1], begun[: len(found)])
    return Kind(name, runs, journey, real, pairs, apart)


def workload(plan: Plan, runs: int) -> int:
    """Frames that are dreamed, and about as many as are looked at."""
    at = stretches(plan.frames)
    looked = sum(runs if start < plan.ahead else min(plan.far, runs) for start in at)
    return plan.count(runs) + 2 * looked * len(kept_of(0))


def stretches(frames: int) -> list[int]:
    """Where the stretches begin in a dream of so many frames; the last one ends it."""
    last = frames - STRETCH
    return [*(s for s in STRETCHES if s + STRETCH <= last or s == FIRST), last]


def _reference(subject: Subject, runs: Runs, start: int, still: bool) -> Tensor:
    """Real frames: those recorded then [b n H W 3], or the one begun after [b 1 H W 3]."""
    if not still:
        return runs.real(subject.store, slice(start, start + STRETCH))[:, :: kept_of(0).step]
    return runs.real(subject.store, slice(-1, 0))


def kind_figures(subject: Subject, kind: Kind) -> dict[str, Figure]:
    """First and last stretch of every figure, and how they compare."""
    figures, (first, *_, last) = {}, kind.pairs
    count, seeds = len(kept_of(0)), kind.runs.seeds
    for start, pairs in kind.pairs.items():
        name = f"{kind.name}: KID, frames {_frames(start)}"
        figures[name] = kid.kid(pairs, frames=count, seeds=seeds[: len(pairs)])
    for later in sorted({LATER, last} & set(kind.pairs) - {first}):
        above = kind.pairs[later]
        below = kind.pairs[first][: len(above), : len(above)]
        name = f"{kind.name}: KID of frames {_frames(later)} over {_frames(first)}"
        figures[name] = kid.kid_ratio(above, below, frames=2 * count, seeds=seeds[: len(above)])
        if kind.name == RECORDED:
            name = f"KID of real frames {_frames(later)} against real ones {_frames(first)}"
            real = kind.apart[later]
            figures[name] = kid.kid(real, frames=2 * count, seeds=seeds[: len(real)])
    for start in sorted({first, last}):
        figures |= _looks(kind, start)
    return figures


def _looks(kind: Kind, start: int) -> dict[str, Figure]:
    """Sharpness, colour and freezing of one stretch."""
    n, journey = len(kind.real[start]), kind.journey
    at, where = slice(start, start + STRETCH), f"frames {_frames(start)}"
    rests = {"frames": STRETCH, "seeds": kind.runs.seeds[:n]}
    real = kind.real[start]
    figures = {
        f"{kind.name}: gradient energy over the real one, {where}": bootstrap(
            journey.sharpness[:n, at], gradient_energy(real).numpy(),
            statistic=ratio_of_means, **rests,
        ),
        f"{kind.name}: colour from the real one, {where}": bootstrap(
            journey.colours[:n, at].mean(axis=1), colour(real).mean(dim=1).numpy(),
            statistic=_colour_distance, unit="grey levels", **rests,
        ),
    }  # fmt: skip
    if kind.name != NONE:
        figures[f"{kind.name}: share of frozen frames, {where}"] = bootstrap(
            journey.change[:n, at], journey.held[:n, at], statistic=frozen_share, **rests
        )
    return figures


def frozen_share(change: np.ndarray, held: np.ndarray) -> float:
    """The share of frames under a key that change by less than FROZEN, of change [b t]."""
    asked = held & np.isfinite(change)
    return float((change[asked] < FROZEN).mean()) if asked.any() else float("nan")


def _colour_distance(found: np.ndarray, real: np.ndarray) -> float:
    """Root mean square over channels of the distance of mean colours [b 3]."""
    return float(np.sqrt(np.square(found.mean(axis=0) - real.mean(axis=0)).mean()))


def stillness(kind: Kind, stand: int) -> dict[str, Figure]:
    """How much of the first frame, and of that when all have landed, is there after standing."""
    frames, seeds = kind.journey.frames, kind.runs.seeds
    name = f"no keys: PSNR of frame {stand} against frame"
    return {
        f"{name} {n}": bootstrap(
            psnr(frames[stand - 1], frames[n - 1]).numpy(), unit="dB", frames=2, seeds=seeds
        )
        for n in (1, LANDED) if n < stand
    }  # fmt: skip


def levels(subject: Subject, kind: Kind) -> dict[str, Figure]:
    """How many levels end in a thousand frames, dreamed and recorded; nothing where none can."""
    if subject.world.ending is None:
        return {}
    lengths = np.isfinite(kind.journey.sharpness).sum(axis=1)
    last = [episode.stop - 1 for episode in subject.store.episodes if episode.ended]
    over = np.isin(kind.runs.rows[:, kind.runs.context :], last)
    there = [int(run[:length].sum()) for run, length in zip(over, lengths, strict=True)]
    name = f"{kind.name}: levels that end in 1,000 frames"
    seeds = kind.runs.seeds
    return {
        f"{name}{whose}": bootstrap(1000 * np.array(ends) / lengths, seeds=seeds)
        for whose, ends in (("", kind.journey.ended), (", as recorded", there))
    }


def curves(kinds: list[Kind]) -> tuple[Curve, ...]:
    """KID, sharpness and change against time."""
    sharpness = [
        _binned(kind, kind.journey.sharpness / float(gradient_energy(kind.real[FIRST]).mean()))
        for kind in kinds
    ]
    change = [_binned(kind, kind.journey.change) for kind in kinds]
    about = {"x_label": "frames dreamed"}
    return (
        Curve(title="KID against time", y_label="KID, x0.001",
              lines=tuple(map(_kid_line, kinds)), **about),
        Curve(title="Gradient energy against time", y_label="over that of the real first stretch",
              lines=tuple(sharpness), **about),
        Curve(title="Change from frame to frame", y_label="grey levels", lines=tuple(change),
              **about),
    )  # fmt: skip


def _kid_line(kind: Kind) -> Line:
    figures = [kid.kid(pairs, frames=1, seeds=kind.runs.seeds) for pairs in kind.pairs.values()]
    return Line(
        name=kind.name,
        x=tuple(float(start + STRETCH / 2) for start in kind.pairs),
        y=tuple(f.value for f in figures),
        low=tuple(f.low for f in figures),
        high=tuple(f.high for f in figures),
    )


def _binned(kind: Kind, values: np.ndarray) -> Line:
    """The runs that went to the end, in bins of BIN frames."""
    far = np.nan_to_num(values[np.isfinite(values[:, -1])])
    size = min(BIN, far.shape[1])
    bins = far.shape[1] // size
    means = far[:, : bins * size].reshape(len(far), bins, size).mean(axis=2)
    return mean_line(kind.name, (np.arange(bins) + 0.5) * size, means)


def film_strip(kind: Kind) -> Picture:
    """Every run that went to the end, one under the other, at a few moments."""
    at = [n - 1 for n in SHOWN if n - 1 in kind.journey.frames]
    count = len(kind.journey.frames[at[-1]])
    rows = [torch.stack([kind.journey.frames[t][i] for t in at]) for i in range(count)]
    frames = ", ".join(str(t + 1) for t in at)
    return Picture(caption=f"Long dreams, {kind.name}: frames {frames}", pixels=strip(rows))


def _frames(start: int) -> str:
    return f"{start + 1}-{start + STRETCH}"

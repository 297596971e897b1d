"""Few steps and many, one sampler and another, with guidance and without: quality against cost.

Shapes: b clips, t frames, n latents of a frame, c channels.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from worldmodel.diffusion.path import velocity
from worldmodel.diffusion.samplers import renoising, sample_euler
from worldmodel.diffusion.schedules import even_times
from worldmodel.evaluate import dreams, kid
from worldmodel.evaluate.clips import Clips, moved
from worldmodel.evaluate.dreams import Setting
from worldmodel.evaluate.fidelity_figures import mean_figure
from worldmodel.evaluate.figures import Curve, Figure, Line, Section, bootstrap
from worldmodel.evaluate.flops import frame_flops
from worldmodel.evaluate.ssim import psnr
from worldmodel.evaluate.subject import Subject

STEPS = (1, 2, 4, 16)
FRAMES = 16
STRAIGHT = 16  # steps along which straightness is measured
GUIDED = (  # scale and the noise levels at which it works
    (1.5, (0.0, 1.0)),
    (2.0, (0.0, 1.0)),
    (2.0, (0.3, 1.0)),
    (3.0, (0.0, 1.0)),
)

TEXT = (
    "The first {frames} frames on own output of {clips} clips at other settings than the world's. "
    "Looks are how often the network is asked for a frame, a guided look counting twice; its "
    "operations are counted by formula. Deterministic is Euler's sampler, stochastic renoises "
    "between steps with fresh noise; warm begins what was moved along half clean, cold all from "
    "noise. Straightness is the mean square distance of the flow's velocity from the straight line "
    "between noise and result, over that line's square: 0 is straight (Liu et al. 2022)."
)


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A setting by name, and how often it looks."""

    name: str
    family: str  # the line of the plot
    setting: Setting
    looks: int


def trials(shipped: Setting) -> list[Trial]:
    """Steps with each sampler, warm and cold, and guidance at the shipped steps."""
    found = []
    starts = {"warm": shipped.warm_start, "cold": 0.0} if shipped.warm_start else {"cold": 0.0}
    samplers = {"deterministic": sample_euler, "stochastic": renoising(1.0)}
    for start, level in starts.items():
        for kind, sampler in samplers.items():
            for steps in STEPS:
                setting = replace(
                    shipped, steps=steps, sampler=sampler, warm_start=level, guidance=1.0
                )
                if steps > 1 or kind == "deterministic":
                    family = f"{kind}, {start}"
                    name = f"{_counted(steps, 'step')}, {family}"
                    found.append(Trial(name=name, family=family, setting=setting, looks=steps))
    for scale, interval in GUIDED:
        setting = replace(shipped, sampler=sample_euler, guidance=scale, guidance_interval=interval)
        family = f"guidance {scale:g} at levels {interval[0]:g} to {interval[1]:g}"
        looks = setting.steps + guided_looks(setting)
        name = f"{_counted(setting.steps, 'step')}, {family}"
        found.append(Trial(name=name, family=family, setting=setting, looks=looks))
    return found


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def guided_looks(setting: Setting) -> int:
    """How many second looks guidance costs; a warm start's levels are those of `sample_warm`."""
    low, high = setting.guidance_interval
    levels: Sequence[float] = even_times(setting.steps)[:-1]
    if setting.warm_start:
        jumps = max(1, setting.steps - 1)
        begun = [setting.warm_start + (1 - setting.warm_start) * i / jumps for i in range(jumps)]
        levels = begun if setting.steps == 1 else [0.0, *begun]
    return sum(low <= level < high for level in levels)


@torch.inference_mode()
def sweep(subject: Subject) -> Section:
    """The section: every setting on the same clips with the same noise."""
    count = min(subject.budget.gap_clips, len(subject.clips))
    clips = subject.clips.first(count, min(FRAMES, subject.clips.horizon))
    tried = trials(subject.setting)
    frames = (len(tried) * 2 + 1) * count * clips.horizon
    progress = subject.progress("sweep", frames)
    real = subject.features.pooled(clips.truth, progress.advance)
    repeated, moves = psnr(clips.last, clips.truth).numpy(), moved(clips.truth, clips.last)
    figures, points = {}, []
    for trial in tried:
        made = dreams.own_output(subject.world, clips, trial.setting, progress.advance)
        gain = psnr(made, clips.truth).numpy() - repeated
        pairs = kid.clip_pairs(subject.features.pooled(made, progress.advance), real)
        rests = {"frames": clips.horizon, "seeds": clips.seeds}
        quality = kid.kid(pairs, **rests)
        closeness = mean_figure(clips, gain, "dB", moves)
        name = f"{trial.name}, {_counted(trial.looks, 'look')}"
        figures[f"{name}: KID"] = quality
        figures[f"{name}: PSNR over repeating, moving"] = closeness
        points.append((trial, quality, closeness))
    progress.finish()
    return Section(
        title="Steps, samplers and guidance",
        text=TEXT.format(frames=clips.horizon, clips=count),
        figures=figures | straightness(subject, clips),
        curves=plots(subject, points),
    )


def plots(subject: Subject, points: list[tuple[Trial, Figure, Figure]]) -> tuple[Curve, ...]:
    """Quality against operations a frame; a line for each family of settings."""
    families: dict[str, list[tuple[Trial, Figure, Figure]]] = {}
    for point in points:
        families.setdefault(point[0].family, []).append(point)
    cost = {trial.looks: _gflop(subject, trial.looks) for trial, *_ in points}
    about = {"x_label": "GFLOP a frame", "scale": "log"}
    axes = ("KID", "KID, x0.001", 1), ("PSNR", "dB over repeating, frames that move", 2)
    return tuple(
        Curve(
            title=f"{title} against cost", y_label=unit, **about,
            lines=tuple(_line(n, p, cost, which) for n, p in families.items()),
        )
        for title, unit, which in axes
    )  # fmt: skip


def _line(
    name: str, points: list[tuple[Trial, Figure, Figure]], cost: dict[int, float], which: int
) -> Line:
    values = [point[which] for point in points]
    return Line(
        name=name,
        x=tuple(cost[trial.looks] for trial, *_ in points),
        y=tuple(v.value for v in values),
        low=tuple(v.low for v in values),
        high=tuple(v.high for v in values),
    )


def _gflop(subject: Subject, looks: int) -> float:
    config, motion = subject.world.config, subject.world.motion
    parts = frame_flops(config.tokenizer, config.world, motion and motion.config, looks)
    return sum(parts.values()) / 1e9


def straightness(subject: Subject, clips: Clips) -> dict[str, Figure]:
    """How straight the flow's paths are from noise to the first dreamed frame."""
    bends: list[np.ndarray] = []

    def follow(
        denoise: Callable[..., Tensor], noise: Tensor, times: Sequence[float], fresh: object
    ) -> Tensor:
        z, slopes = noise, []
        for tau, after in pairwise(times):
            slopes.append(velocity(denoise(z, tau, after - tau), z, tau))
            z = z + (after - tau) * slopes[-1]
        bends.append(bend(torch.stack(slopes), z - noise).numpy())
        return z

    setting = replace(
        subject.setting, steps=STRAIGHT, sampler=follow, warm_start=0.0, guidance=1.0, rest=0.0
    )
    dreams.own_output(subject.world, clips.first(len(clips), 1), setting)
    values = np.concatenate(bends)
    return {"path straightness (0 is straight)": bootstrap(values, seeds=clips.seeds)}


def bend(slopes: Tensor, way: Tensor) -> Tensor:
    """S of rectified flow (arXiv 2209.03003, section 2.2) over the square of the way, [b].

    `slopes` [s b n c] are velocities at even times, `way` [b n c] leads from noise to result.
    """
    off = (slopes - way).square().mean(dim=0).mean(dim=(1, 2))
    return off / way.square().mean(dim=(1, 2))

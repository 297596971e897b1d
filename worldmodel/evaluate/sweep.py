"""Few steps and many, one sampler and another, with guidance and without: quality against cost.

Shapes: b clips, t frames, n latents of a frame, c channels.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from worldmodel.diffusion.samplers import renoising, sample_euler
from worldmodel.diffusion.schedules import visited_levels
from worldmodel.evaluate import dreams, kid
from worldmodel.evaluate.clips import Clips, moved
from worldmodel.evaluate.control import counts, mean_f1, read_buttons, share_of_f1
from worldmodel.evaluate.dreams import Setting
from worldmodel.evaluate.features import Seen
from worldmodel.evaluate.fidelity_figures import mean_figure
from worldmodel.evaluate.figures import Curve, Figure, Line, Section, bootstrap, ratio_of_means
from worldmodel.evaluate.flops import frame_flops
from worldmodel.evaluate.obedience import reader_of
from worldmodel.evaluate.pasts import Pasts
from worldmodel.evaluate.ssim import gradient_energy, psnr, ssim
from worldmodel.evaluate.straightness import straightness
from worldmodel.evaluate.subject import Subject
from worldmodel.model.inverse_dynamics import InverseDynamics

STEPS = (1, 2, 4, 16)
FRAMES = 16
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
    "between steps with fresh noise; warm begins what was moved along at the world's warm start, "
    "cold all from noise. Keys are read by the judge of keys; their F1 on the real frames is that "
    "of which dreams have a share. Straightness is the mean square distance of the flow's velocity "
    "from the straight line between noise and result, over that line's square: 0 is straight (Liu "
    "et al. 2022). Intervals are in the table and not in the plots: most of them is the difference "
    "of the clips, which all settings share."
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
    levels = visited_levels(setting.steps, setting.warm_start)[:-1]
    return sum(low <= level < high for level in levels)


KID, PSNR, KEYS = "KID", "PSNR over repeating, moving", "share of the real F1 of keys"
PLOTTED = {
    KID: ("KID against cost", "KID, x0.001"),
    PSNR: ("PSNR against cost", "dB over repeating, frames that move"),
    KEYS: ("Keys against cost", "mean F1, share of the real one"),
}
Points = list[tuple[Trial, dict[str, Figure]]]


@torch.inference_mode()
def sweep(subject: Subject) -> Section:
    """The section: every setting on the same clips with the same noise."""
    count = min(subject.budget.gap_clips, len(subject.clips))
    clips = subject.clips.first(count, min(FRAMES, subject.clips.horizon))
    tried = trials(subject.setting)
    progress = subject.progress("sweep", (2 * len(tried) + 1) * count * clips.horizon)
    made = {
        trial.name: dreams.own_output(subject.world, clips, trial.setting, progress.advance)
        for trial in tried
    }
    flat = {name: frames.flatten(0, 1) for name, frames in made.items()}
    seen = subject.features.compare(clips.truth.flatten(0, 1), flat, progress.advance)
    progress.finish()
    read = readings(reader_of(subject), clips, made)
    points: Points = [
        (trial, measures(clips, made[trial.name], seen["real"], seen[trial.name])
         | read.get(trial.name, {}))
        for trial in tried
    ]  # fmt: skip
    figures = {
        f"{trial.name}, {_counted(trial.looks, 'look')}: {name}": figure
        for trial, own in points
        for name, figure in own.items()
    }
    return Section(
        title="Steps, samplers and guidance",
        text=TEXT.format(frames=clips.horizon, clips=count),
        figures=figures | straightness(subject, clips),
        curves=plots(subject, points),
    )


def measures(clips: Clips, made: Tensor, real: Seen, seen: Seen) -> dict[str, Figure]:
    """Fidelity of frames uint8 [b t H W 3] whose features are `seen`, [b*t f]."""
    shape = len(clips), clips.horizon
    rests = {"frames": clips.horizon, "seeds": clips.seeds}
    gain = (psnr(made, clips.truth) - psnr(clips.last, clips.truth)).numpy()
    moves = moved(clips.truth, clips.last)
    pairs = kid.clip_pairs(*(torch.unflatten(x.pooled, 0, shape) for x in (seen, real)))
    sharp = [gradient_energy(x).numpy() for x in (made, clips.truth)]
    found = {KID: kid.kid(pairs, **rests), PSNR: mean_figure(clips, gain, "dB", moves)}
    for at in {0, clips.horizon - 1}:
        which = slice(at, at + 1)
        found[f"PSNR of frame {at + 1} over repeating, moving"] = mean_figure(
            clips, gain[:, which], "dB", moves[:, which]
        )
    return found | {
        "SSIM": bootstrap(ssim(made, clips.truth).numpy(), **rests),
        "perceptual distance": bootstrap(seen.distance.view(shape).numpy(), **rests),
        "gradient energy over the real one": bootstrap(*sharp, statistic=ratio_of_means, **rests),
    }


def readings(
    idm: InverseDynamics | None, clips: Clips, made: dict[str, Tensor]
) -> dict[str, dict[str, Figure]]:
    """What `idm` reads from what was made, by its name; nothing without a judge of keys."""
    if idm is None or idm.config.reach >= clips.context:
        return {}
    past = slice(clips.context)
    pasts = Pasts(clips.frames[:, past], clips.controls[:, past], clips.seeds)
    held = clips.controls[:, clips.context :, : len(idm.config.buttons)].numpy() > 0.5
    rests = {"frames": clips.horizon, "seeds": clips.seeds}
    real = counts(held, read_buttons(idm, pasts, clips.truth))
    found = {}
    for name, frames in made.items():
        own = counts(held, read_buttons(idm, pasts, frames))
        share = bootstrap(*own, *real, statistic=share_of_f1, **rests)
        found[name] = {"mean F1 of keys": bootstrap(*own, statistic=mean_f1, **rests), KEYS: share}
    return found


def plots(subject: Subject, points: Points) -> tuple[Curve, ...]:
    """Quality against operations a frame; a line for each family of settings."""
    families: dict[str, Points] = {}
    for point in points:
        families.setdefault(point[0].family, []).append(point)
    cost = {trial.looks: _gflop(subject, trial.looks) for trial, _ in points}
    return tuple(
        Curve(
            title=title, x_label="GFLOP a frame", y_label=unit, scale="log",
            lines=tuple(_line(n, p, cost, name) for n, p in families.items()),
        )
        for name, (title, unit) in PLOTTED.items()
        if all(name in own for _, own in points)
    )  # fmt: skip


def _line(name: str, points: Points, cost: dict[int, float], measure: str) -> Line:
    values = [own[measure] for _, own in points]
    return Line(
        name=name,
        x=tuple(cost[trial.looks] for trial, _ in points),
        y=tuple(v.value for v in values),
    )


def _gflop(subject: Subject, looks: int) -> float:
    config, motion = subject.world.config, subject.world.motion
    again, sizes = config.play.finishing_look, (config.tokenizer, config.world)
    parts = frame_flops(*sizes, motion and motion.config, looks, finishing_look=again)
    return sum(parts.values()) / 1e9

"""How faithful a world is: its dreams against what really followed, frame by frame.

Beside every figure stand repeating the last real frame, a regression network of the same size where
there is one, and what the tokenizer alone would reach.
Shapes: b clips, h frames of the horizon, j of them that are looked at closely, H W pixels.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from worldmodel.evaluate import dreams, kid
from worldmodel.evaluate.clips import MOVES
from worldmodel.evaluate.features import NAME
from worldmodel.evaluate.fidelity_figures import (
    distance_figures,
    given_figures,
    horizon_figures,
    kid_figures,
    next_frame_figures,
)
from worldmodel.evaluate.fidelity_pictures import curves, pictures
from worldmodel.evaluate.figures import Figure, Section
from worldmodel.evaluate.made import EVERY, FORCED, NEAR, OWN, REGRESSION, TOKENIZER, WINDOW, Made
from worldmodel.evaluate.subject import Subject

TEXT = (
    "Dreams against what really followed, from {context} real frames on and under the recorded "
    "keys. {own} means that the world saw its own frames ever since; {forced} that every frame "
    "was dreamed after real ones. A frame moves when it differs from the one that would be "
    "repeated (the last real one) by {moves:g} grey levels on average: one that does not is "
    "repeated perfectly, and no world can beat that. KID and the perceptual distance are computed "
    "on features of {network}; they are not FID's or LPIPS's and are to be compared with each "
    "other only."
)


def fidelity(subject: Subject) -> Section:
    """The section: PSNR, SSIM, perceptual distance and KID against the horizon."""
    made = make(subject)
    close = looked_at(made.clips.horizon)
    seen = look_closely(subject, made, close)
    figures = (
        next_frame_figures(made)
        | horizon_figures(made)
        | distance_figures(made, seen, close)
        | kid_figures(made, seen, close)
        | few_step_gap(subject, made, seen, close)
        | given_figures(made, subject.given)
    )
    return Section(
        title="Fidelity against horizon",
        text=TEXT.format(
            context=made.clips.context, own=OWN.capitalize(), forced=FORCED, moves=MOVES,
            network=NAME,
        ),
        figures=figures,
        curves=curves(made, seen, close),
        pictures=pictures(made, seen, subject.store.fps),
    )  # fmt: skip


@torch.inference_mode()
def make(subject: Subject) -> Made:
    """Dream every clip in every way."""
    clips, worlds = subject.clips, {"": (subject.world, subject.setting)}
    if subject.regression:
        worlds[REGRESSION] = (subject.regression, dreams.regression_setting())
    progress = subject.progress("fidelity", 2 * len(worlds) * len(clips) * clips.horizon)
    own, forced = {}, {}
    for name, (world, setting) in worlds.items():
        own[name or OWN] = dreams.own_output(world, clips, setting, progress.advance)
        forced[name or OWN] = dreams.after_real(world, clips, setting, EVERY, progress.advance)
    progress.finish()
    return Made(clips, own, forced, dreams.reconstructions(subject.world, clips))


def looked_at(horizon: int) -> np.ndarray:
    """Frames [j] of which features are taken: the first 16, and a window that ends at 32, at 64."""
    ends = [h for h in (32, 64) if h <= horizon]
    windows = [range(end - WINDOW, end) for end in ends]
    return np.array([*range(min(NEAR, horizon)), *(t for window in windows for t in window)])


def look_closely(subject: Subject, made: Made, close: np.ndarray) -> dict[str, Tensor]:
    """Pooled features [b j f] by name, and distances to the truth [b j] by "distance, name"."""
    names = {**made.own, TOKENIZER: made.tokenizer}
    progress = subject.progress("features", (len(names) + 1) * len(made.clips) * len(close))
    found = subject.features.compare(
        made.clips.truth[:, close].flatten(0, 1),
        {name: frames[:, close].flatten(0, 1) for name, frames in names.items()},
        progress.advance,
    )
    progress.finish()
    shape = len(made.clips), len(close)
    pooled = {name: torch.unflatten(seen.pooled, 0, shape) for name, seen in found.items()}
    return pooled | {
        f"distance, {name}": torch.unflatten(seen.distance, 0, shape)
        for name, seen in found.items()
    }


@torch.inference_mode()
def few_step_gap(
    subject: Subject, made: Made, seen: Mapping[str, Tensor], close: np.ndarray, many: int = 16
) -> dict[str, Figure]:
    """KID at the world's own steps over its KID at many: what is lost by making few."""
    steps, count = subject.setting.steps, min(subject.budget.gap_clips, len(made.clips))
    if steps >= many:
        return {}
    clips = made.clips.first(count, min(NEAR, made.clips.horizon))
    progress = subject.progress(f"{many} steps", 2 * count * clips.horizon)
    frames = dreams.own_output(
        subject.world, clips, replace(subject.setting, steps=many), progress.advance
    )
    slow = subject.features.pooled(frames, progress.advance)
    progress.finish()
    near = close < NEAR
    real = seen["real"][:count, near]
    pairs = [kid.clip_pairs(x, real) for x in (seen[OWN][:count, near], slow)]
    rests = {"frames": clips.horizon, "seeds": clips.seeds}
    return {
        f"KID, frames 1-{NEAR}, {many} steps": kid.kid(pairs[1], **rests),
        f"KID at {steps} steps over {many} steps, frames 1-{NEAR}": kid.kid_ratio(*pairs, **rests),
    }

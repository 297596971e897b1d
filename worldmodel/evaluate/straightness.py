"""How straight a flow's paths are from noise to the first dreamed frame.

Shapes: b clips, n latents of a frame, c channels, s steps.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from worldmodel.diffusion.path import velocity
from worldmodel.evaluate import dreams
from worldmodel.evaluate.clips import Clips
from worldmodel.evaluate.figures import Figure, bootstrap
from worldmodel.evaluate.subject import Subject

STRAIGHT = 16  # steps along which it is measured


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

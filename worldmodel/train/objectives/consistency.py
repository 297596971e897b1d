"""Consistency: from anywhere on a segment of the path, one jump to the segment's end.

Multistep consistency models (Heek et al., arXiv 2403.06807): the path has as many
segments as play has looks; with one it is the classic consistency distillation (Song et al., arXiv
2303.01469). The teacher's guidance on actions is baked in.
"""

import torch
from torch import Tensor

from worldmodel.diffusion.schedules import draw_segments
from worldmodel.train.objectives.distil_config import DistilConfig
from worldmodel.train.objectives.moment import (
    Distilled,
    Moment,
    aimed,
    jumped,
    look,
    seen_noisy,
    without_gradients,
)


def consistency(
    network: Distilled, moment: Moment, draw: torch.Generator, config: DistilConfig
) -> tuple[Tensor, Tensor, Tensor]:
    """Guesses and targets [b n c] and noise levels [b].

    The target is where the slow average jumps to after one Euler step of the teacher.
    """
    tau, after, stop = draw_steps(len(moment.clean), draw, config)
    z = seen_noisy(moment, tau, draw, config)
    with without_gradients(z.device):
        taught = guided_look(network, moment, z, tau, config.guidance)
        nearer = jumped(z, taught, tau, after - tau)
        last = look(network.slow, moment.cache, moment, nearer, after, stop - after)
        ended = (after >= stop)[:, None, None]
        end = torch.where(ended, nearer, jumped(nearer, last, after, stop - after))
        target = aimed(z, end, tau, stop - tau)
    return look(network.student, moment.cache, moment, z, tau, stop - tau), target, tau


def draw_steps(
    count: int, draw: torch.Generator, config: DistilConfig
) -> tuple[Tensor, Tensor, Tensor]:
    """Levels before and after a step of the teacher, and where their segment ends [count]."""
    start, stop = draw_segments(count, config.looks, config.warm_start, draw)
    place = torch.randint(config.substeps, (count,), generator=draw)
    tau = start + (stop - start) * place / config.substeps
    after = start + (stop - start) * (place + 1) / config.substeps
    return tau, torch.where(place == config.substeps - 1, stop, after), stop


def guided_look(
    network: Distilled, moment: Moment, z: Tensor, tau: Tensor, guidance: float
) -> Tensor:
    """What the teacher sees in the plain flow, led away from what unknown keys would bring."""
    still = torch.zeros_like(tau)
    told = look(network.teacher, moment.taught, moment, z, tau, still)
    if guidance == 1.0:
        return told
    unknown = torch.full_like(moment.controls, torch.nan)
    blind = look(network.teacher, moment.taught, moment, z, tau, still, unknown)
    return blind + guidance * (told - blind)

"""Reflow: learn the straight line from each noise to where the teacher's flow takes it.

Liu et al., arXiv 2209.03003, section 2.2. Lines begin where play begins: at noise, and at the warm
start.
"""

import torch
from torch import Tensor

from worldmodel.diffusion.path import noised
from worldmodel.train.objectives.consistency import guided_look
from worldmodel.train.objectives.distil_config import DistilConfig
from worldmodel.train.objectives.moment import (
    Distilled,
    Moment,
    carried_start,
    jumped,
    look,
    without_gradients,
)


def reflow(
    network: Distilled, moment: Moment, draw: torch.Generator, config: DistilConfig
) -> tuple[Tensor, Tensor, Tensor]:
    """Guesses and targets [b n c] and noise levels [b]; targets are the teacher's own frames."""
    begun, level = beginnings(moment, draw, config)
    with without_gradients(begun.device):
        end = flowed(network, moment, begun, level, config)
    tau = level + (1 - level) * torch.rand(len(level), generator=draw)
    z = jumped(begun, end, level, tau - level)  # on the line from `begun` to `end`
    return look(network.student, moment.cache, moment, z, tau, torch.zeros_like(tau)), end, tau


def beginnings(
    moment: Moment, draw: torch.Generator, config: DistilConfig
) -> tuple[Tensor, Tensor]:
    """Where lines begin, [b n c], and their levels [b]."""
    noise = torch.randn(moment.clean.shape, generator=draw)
    level = torch.zeros(len(noise))
    if not (moment.carried and config.warm_start):
        return noise, level
    warm = torch.rand(len(noise), generator=draw) < config.warm_share
    level = torch.where(warm, config.warm_start, level)
    return noised(carried_start(moment, moment.clean), noise, level), level


def flowed(
    network: Distilled, moment: Moment, z: Tensor, level: Tensor, config: DistilConfig
) -> Tensor:
    """Where the teacher's guided flow takes z [b n c] from `level` [b] in Euler's steps."""
    step = (1 - level) / config.substeps
    for i in range(config.substeps):
        tau = level + i * step
        z = jumped(z, guided_look(network, moment, z, tau, config.guidance), tau, step)
    return z

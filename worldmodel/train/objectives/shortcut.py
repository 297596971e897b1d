"""Shortcut: one jump should end where two jumps of half its length end.

Frans et al., arXiv 2410.12557, in the x-prediction form of Dreamer 4 (shortcut forcing, arXiv
2509.24527). The jumps are those that play makes and their halves.
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

Result = tuple[Tensor, Tensor, Tensor]


def shortcut(
    network: Distilled, moment: Moment, draw: torch.Generator, config: DistilConfig
) -> Result:
    """Guesses and targets [b n c] and noise levels [b]: first frames of the plain flow, then jumps.

    The plain flow is what the shortest jumps are taken for. Its target in the papers is the data; a
    finished world already answers with their mean, and has not their noise.
    """
    count = len(moment.clean)
    plain = round(config.flow_share * count)
    parts = []
    if plain:
        parts.append(_plain(network, moment.rows(0, plain), draw, config))
    if plain < count:
        parts.append(_halved(network, moment.rows(plain, count - plain), draw, config))
    return tuple(torch.cat(each) for each in zip(*parts, strict=True))


def _plain(
    network: Distilled, moment: Moment, draw: torch.Generator, config: DistilConfig
) -> Result:
    tau = torch.rand(len(moment.clean), generator=draw)
    z = seen_noisy(moment, tau, draw, config)
    still = torch.zeros_like(tau)
    with without_gradients(z.device):
        target = look(network.teacher, moment.taught, moment, z, tau, still)
    return look(network.student, moment.cache, moment, z, tau, still), target, tau


def _halved(
    network: Distilled, moment: Moment, draw: torch.Generator, config: DistilConfig
) -> Result:
    tau, jump, told = draw_jumps(len(moment.clean), draw, config)
    z = seen_noisy(moment, tau, draw, config)
    half = jump / 2
    with without_gradients(z.device):
        first = look(network.slow, moment.cache, moment, z, tau, told)
        middle = jumped(z, first, tau, half)
        second = look(network.slow, moment.cache, moment, middle, tau + half, told)
        target = aimed(z, jumped(middle, second, tau + half, half), tau, jump)
    return look(network.student, moment.cache, moment, z, tau, jump), target, tau


def draw_jumps(
    count: int, draw: torch.Generator, config: DistilConfig
) -> tuple[Tensor, Tensor, Tensor]:
    """Levels, jumps and what their halves are told to jump [count].

    A jump of play is halved 0 to `halvings` - 1 times; the halves of the shortest ones are the
    plain flow, which is told 0.
    """
    start, stop = draw_segments(count, config.looks, config.warm_start, draw)
    depth = torch.randint(config.halvings, (count,), generator=draw)
    pieces = 2.0**depth
    jump = (stop - start) / pieces
    tau = start + jump * (torch.rand(count, generator=draw) * pieces).floor()
    return tau, jump, torch.where(depth == config.halvings - 1, 0.0, jump / 2)

"""Self-forcing: the world dreams a few frames as play does and learns from each of them.

Huang et al., arXiv 2506.08009: own rollouts with the frame cache, the gradient in the last look of
a frame only. The truth of the clip stands in the place of their distribution matching.
Shapes: b frames about to be dreamed, h horizon, n latents of a frame, c channels.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from worldmodel.diffusion.rollout import next_frame, remember
from worldmodel.diffusion.schedules import even_times
from worldmodel.model.cache import FrameCache
from worldmodel.model.carrier import Carrier
from worldmodel.model.transformer import WorldTransformer
from worldmodel.train.objectives.distil_config import DistilConfig
from worldmodel.train.objectives.moment import Distilled, Moment, without_gradients


class LastLook:
    """A network whose looks have no gradient but the last of each frame."""

    def __init__(self, network: WorldTransformer, looks: int) -> None:
        self.network, self.looks, self.made = network, looks, 0

    def __call__(self, latents: Tensor, *rest: object) -> Tensor:
        self.made += 1
        if self.made % self.looks == 0:
            return self.network(latents, *rest)
        with without_gradients(latents.device):
            return self.network(latents, *rest)


def self_forcing(
    network: Distilled, moment: Moment, draw: torch.Generator, config: DistilConfig,
    carrier: Carrier | None, clamp: Callable[[Tensor], Tensor],
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """Dreamed and true frames [h*b n c] and levels [h*b], all 1: these are finished frames."""
    student = network.student
    cache, watched = FrameCache(moment.cache.memory), LastLook(student, config.looks)
    controls = torch.cat([moment.controls[:, None], moment.later_controls], dim=1)
    carried, dream = moment.carried, []
    for i in range(config.horizon):
        noise = torch.randn(moment.clean.shape, generator=draw)
        frame = next_frame(
            watched, cache, controls[:, i], noise, times=even_times(config.looks), carried=carried,
            warm_start=config.warm_start, clamp=clamp,
        )  # fmt: skip
        dream.append(frame)
        if i + 1 < config.horizon:
            with without_gradients(frame.device):
                picture = carrier and carrier.picture(frame, carried)
                remember(
                    student, cache, frame.detach(), controls[:, i], carried=carried, picture=picture
                )
                carried = carrier and carrier.carry(cache, controls[:, i + 1])
    truth = torch.cat([moment.clean[:, None], moment.later], dim=1)[:, : config.horizon]
    return torch.cat(dream), truth.movedim(1, 0).flatten(0, 1), torch.ones(len(truth) * len(dream))

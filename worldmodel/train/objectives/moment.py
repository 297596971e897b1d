"""Where play stands before a frame: what objectives of few steps learn from.

Shapes: b frames about to be dreamed, n latents of a frame, c channels, m controls, h later frames.
"""

import contextlib
import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from worldmodel.diffusion.path import noised
from worldmodel.model.cache import FrameCache, part
from worldmodel.model.carrier import Carried
from worldmodel.model.transformer import WorldTransformer
from worldmodel.train.objectives.distil_config import DistilConfig

LEAST = 1e-3  # distance from clean data by which a slope is divided


class Distilled(nn.Module):
    """A student, its slow average and its teacher as one network for the loop.

    The teacher is the world that the stage began with and stays so. Only the student has gradients.
    """

    def __init__(self, student: WorldTransformer) -> None:
        super().__init__()
        self.student = student
        self.slow = copy.deepcopy(student).requires_grad_(False).eval()
        self.teacher = copy.deepcopy(student).requires_grad_(False).eval()

    @torch.no_grad()
    def follow(self, decay: float) -> None:
        """Move the slow average towards the student."""
        torch._foreach_lerp_(
            list(self.slow.parameters()), list(self.student.parameters()), 1 - decay
        )


@dataclass(frozen=True, kw_only=True)
class Moment:
    """b frames about to be dreamed, each with what play would know."""

    cache: FrameCache  # of the student
    taught: FrameCache  # of the teacher; the student's where an objective does without
    carried: Carried | None
    controls: Tensor  # [b m]
    clean: Tensor  # [b n c], the true frame
    later_controls: Tensor  # [b h m]
    later: Tensor  # [b h n c]

    def rows(self, start: int, count: int) -> "Moment":
        """`count` of the frames, from number `start` on."""
        chosen = slice(start, start + count)
        tensors = {k: v[chosen] for k, v in vars(self).items() if isinstance(v, Tensor)}
        caches = {k: part(vars(self)[k], start, count) for k in ("cache", "taught")}
        carried = self.carried and Carried(*(x[chosen] for x in self.carried))
        return replace(self, carried=carried, **tensors, **caches)


def look(
    network: WorldTransformer, cache: FrameCache, moment: Moment, z: Tensor, tau: Tensor,
    jump: Tensor, controls: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Clean latents [b n c] for noisy ones at levels tau [b] that will jump by `jump` [b]."""
    keys = moment.controls if controls is None else controls
    told = z[:, None], tau[:, None], jump[:, None], keys[:, None]
    return network(*told, cache, moment.carried)[:, 0]


def jumped(z: Tensor, clean: Tensor, tau: Tensor, jump: Tensor) -> Tensor:
    """z + d (x - z) / (1 - tau) for levels tau and jumps d [b]."""
    share = jump / (1 - tau).clamp_min(LEAST)
    return z + share[:, None, None] * (clean - z)


def aimed(z: Tensor, end: Tensor, tau: Tensor, jump: Tensor) -> Tensor:
    """The clean latents by which z jumps to `end`: the inverse of `jumped`."""
    share = (1 - tau) / jump.clamp_min(LEAST)
    return z + share[:, None, None] * (end - z)


def seen_noisy(moment: Moment, tau: Tensor, draw: torch.Generator, config: DistilConfig) -> Tensor:
    """Frames at levels tau [b] as play comes upon them, noise drawn first.

    From the warm start on a share of them is what motion carried, noised, where it knows the
    place: play begins there with that and not with the truth.
    """
    noise, start = torch.randn(moment.clean.shape, generator=draw), moment.clean
    if moment.carried and config.warm_start:
        warm = torch.rand(len(tau), generator=draw) < config.warm_share
        warm &= tau >= config.warm_start
        start = torch.where(warm[:, None, None], carried_start(moment, start), start)
    return noised(start, noise, tau)


def carried_start(moment: Moment, elsewhere: Tensor) -> Tensor:
    """What motion carried where it knows the place, and `elsewhere` [b n c] where it does not."""
    latents, known = moment.carried.latents[:, 0], moment.carried.known[:, 0]
    return elsewhere + known[..., None] * (latents - elsewhere)


@contextlib.contextmanager
def without_gradients(device: torch.device) -> Iterator[None]:
    """Looks that are not learned from. Weights that autocast casts here are not kept: without
    gradients they must not serve the look that has them."""
    kind = device.type
    on = torch.is_autocast_enabled(kind)
    with torch.no_grad(), torch.autocast(kind, torch.bfloat16, on, False):
        yield

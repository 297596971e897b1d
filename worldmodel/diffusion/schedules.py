"""Noise levels: the ones a sampler visits, the ones training draws."""

from itertools import pairwise

import torch
from torch import Tensor

CONTEXT_SPAN = 0.1  # training shows a nearly clean past at levels 1 - CONTEXT_SPAN to 1


def even_times(steps: int) -> tuple[float, ...]:
    """Levels from 0 to 1 in `steps` equal jumps (steps + 1 values)."""
    return tuple(i / steps for i in range(steps + 1))


def visited_levels(steps: int, warm_start: float = 0.0) -> tuple[float, ...]:
    """Levels between which play jumps in `steps` looks; `sample_warm` has the warm ones."""
    if not warm_start:
        return even_times(steps)
    looks = max(1, steps - 1)  # after the first one at noise, which a single look leaves out
    warm = tuple(warm_start + (1 - warm_start) * i / looks for i in range(looks + 1))
    return warm if steps == 1 else (0.0, *warm)


def draw_segments(
    count: int, steps: int, warm_start: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Levels [count] where jumps of play begin and where they end, each as often."""
    ends = torch.tensor(list(pairwise(visited_levels(steps, warm_start))))
    return ends[torch.randint(len(ends), (count,), generator=generator)].unbind(1)


def level_weight(tau: Tensor, floor: float = 0.1) -> Tensor:
    """Weight of a loss at noise level tau: `floor` at noise, 1 at clean data.

    With 0.1 that of Dreamer 4 (arXiv 2509.24527): 0.9 tau + 0.1.
    """
    return floor + (1 - floor) * tau


def draw_levels(batch: int, frames: int, generator: torch.Generator) -> Tensor:
    """Noise levels [b t] of diffusion forcing (arXiv 2407.01392) for training clips.

    Every frame draws its own level. In most clips every second frame (60 %) or every other frame
    by chance (20 %) is nearly clean, so that noisy frames follow a past such as play shows them.
    Of the noisy frames three tenths are pure noise, where only the keys and the past can help.
    """
    level = (torch.rand(batch, frames, generator=generator) * 1.43 - 0.43).clamp_min(0)
    clean = context_levels((batch, frames), generator)
    kind = torch.rand(batch, 1, generator=generator)
    first = torch.randint(2, (batch, 1), generator=generator)
    alternate = (torch.arange(frames) + first) % 2 == 0
    by_chance = torch.rand(batch, frames, generator=generator) < 0.5
    nearly_clean = torch.where(kind < 0.6, alternate, by_chance & (kind < 0.8))
    return torch.where(nearly_clean, clean, level)


def context_levels(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Levels of frames that are shown nearly clean, most of them almost 1."""
    return 1 - CONTEXT_SPAN * torch.rand(shape, generator=generator) ** 2

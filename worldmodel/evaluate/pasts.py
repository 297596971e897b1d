"""Held-out pasts, and what followed them in the true game.

Shapes: b pasts, w frames of a past, t frames that follow, m controls, H W pixels.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from worldmodel.data.clips import ClipSampler, FrameStore, gather, known
from worldmodel.evaluate.clips import seeds_at


@dataclass(frozen=True)
class Pasts:
    """Real frames uint8 [b w H W 3] with their controls float32 [b w m], and their game seeds.

    controls[i] produced frames[i].
    """

    frames: Tensor
    controls: Tensor
    seeds: np.ndarray  # int [b]

    def __len__(self) -> int:
        return len(self.frames)


@dataclass(frozen=True)
class Futures:
    """What followed each past in the true game: frames uint8 [b t H W 3], controls [b t m]."""

    frames: Tensor
    controls: Tensor


def draw_futures(
    store: FrameStore, past: int, ahead: int, count: int, *, seed: int = 0
) -> tuple[Pasts, Futures]:
    """`count` clips whose keys are known, drawn evenly, cut into a past and what followed it."""
    length = past + ahead
    starts = ClipSampler(
        store.episodes, store.motion, length=length, seed=seed, usable=known(store)
    ).draw(0, count)
    frames, controls = (
        torch.as_tensor(gather(array, starts, length)) for array in (store.frames, store.controls)
    )
    seeds = seeds_at(store, starts)
    return (
        Pasts(frames[:, :past], controls[:, :past].float(), seeds),
        Futures(frames[:, past:], controls[:, past:].float()),
    )

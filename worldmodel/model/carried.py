"""Carried: what a frame starts from, which a carrier has made of the one before.

Shapes: b batch, n latents of a frame, c latent channels, h' w' flow, H W pixels.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class Carried(NamedTuple):
    """What a frame starts from: the last one, moved as the keys say."""

    latents: Tensor  # [b 1 n c]
    tau: Tensor  # [b 1], their noise level
    known: Tensor  # [b 1 n], the share of each place that was in the last picture
    moves: Tensor  # [b 1], pixels by which its places move on average
    last: Tensor  # [b 1 n c], the last frame's latents as they were
    flow: Tensor  # [b 1 2 h' w'], where its places come from; [b 1 0] without momentum
    picture: Tensor  # [b 1 3 H W], the last picture moved; [b 1 0] where nothing was moved
    offscreen: Tensor  # [b 1 4 H' W'], what is around it; [b 1 0] where that is not kept
    lag: Tensor  # [b 1 2], pixels by which that lags behind
    state: Tensor  # [b 1 8], where its player stands, NaN if unknown; [b 1 0] without an atlas


def either(which: Tensor, those: Sequence[Tensor], others: Sequence[Tensor]) -> list[Tensor]:
    """Of players [b] that `which` names `those` parts [b ...], of the rest the `others`."""
    return [
        torch.where(which.view(-1, *[1] * (one.ndim - 1)), one, other)
        for one, other in zip(those, others, strict=True)
    ]

"""Blur: pictures as old dreams show them, more or less.

Shapes: b pictures, k sizes of a blur, H W pixels.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

BLURS = (2, 4, 8)  # pixels to a side that become one


def drawn_blurs(count: int, share: float, random: np.random.Generator) -> Tensor:
    """How much [b k] of each blur to mix into so many pictures; none in 1 - `share` of them."""
    kind = random.choice(len(BLURS) + 1, count, p=[1 - share, *[share / len(BLURS)] * len(BLURS)])
    blurs = np.eye(len(BLURS) + 1)[kind, 1:] * random.random((count, 1))
    return torch.as_tensor(blurs).float()


def blurred(pictures: Tensor, blurs: Tensor) -> Tensor:
    """Pictures [b 3 H W] with so much [b k] of each blur mixed in."""
    found, size = pictures.clone(), pictures.shape[-2:]
    for pixels, weights in zip(BLURS, blurs.T, strict=True):
        chosen = weights > 0
        sharp = pictures[chosen]
        soft = F.interpolate(F.avg_pool2d(sharp, pixels), size=size, mode="bilinear")
        found[chosen] = sharp + weights[chosen, None, None, None] * (soft - sharp)
    return found

"""How far the colours of two pictures are apart, wherever they are in them.

Shapes: b pictures, H W pixels, k directions.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

DIRECTIONS = 32  # in the space of colours
LEVELS = 255


def palettes_apart(a: Tensor, b: Tensor) -> Tensor:
    """The sliced Wasserstein distance [b] (Rabin et al. 2012) of the colours of pictures [b 3 H W]
    in 0..1 at half size, in grey levels."""
    draw = torch.Generator().manual_seed(0)
    ways = F.normalize(torch.randn(DIRECTIONS, 3, generator=draw), dim=1)
    one, other = (
        torch.einsum("kc, bcn -> bkn", ways, F.avg_pool2d(x, 2).flatten(2)).sort(dim=2).values
        for x in (a, b)
    )
    return LEVELS * (one - other).abs().mean(dim=(1, 2))

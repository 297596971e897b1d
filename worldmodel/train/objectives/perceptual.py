"""Pictures compared by what a trained network sees in them.

Shapes: b pictures, f features of a stage, h w its grid, H W pixels.
"""

import numpy as np
import torch
from torch import Tensor

from worldmodel.model.efficientnet import load_efficientnet

STAGES = (0, 1, 2)  # of EfficientNet-lite0: strides 2, 4 and 8, where textures are told apart
TINY = 1e-6

Features = list[Tensor]


class PictureFeatures:
    """Frozen features of EfficientNet-lite0. Not a module: it is nobody's weights to train."""

    def __init__(self, stages: tuple[int, ...] = STAGES) -> None:
        self.chosen = stages
        self.network = load_efficientnet("lite0").to(memory_format=torch.channels_last)

    def __call__(self, pictures: Tensor) -> Features:
        """Pictures [b 3 H W], about 0..1 -> features [b f h w] of the chosen stages."""
        self.network.to(pictures.device)
        shown = pictures.contiguous(memory_format=torch.channels_last)
        stages = self.network.stages(shown, count=max(self.chosen) + 1)
        return [stages[i] for i in self.chosen]


def feature_distance(a: Features, b: Features) -> Tensor:
    """Squared distance [b] of features of unit length, averaged over places, summed over stages.

    LPIPS (arXiv 1801.03924, equation 1) without its learned weights.
    """
    pairs = zip(a, b, strict=True)
    return sum((_unit(x) - _unit(y)).square().sum(dim=1).mean(dim=(1, 2)) for x, y in pairs)


def _unit(x: Tensor) -> Tensor:
    x = x.float()
    return x / (x.square().sum(dim=1, keepdim=True) + TINY).sqrt()


def square(size: tuple[int, int], side: int, seed: tuple[int, ...]) -> tuple[slice, slice]:
    """Rows and columns of a square of so many pixels in a picture of `size`, drawn by `seed`."""
    draw = np.random.default_rng(seed)
    starts = [4 * int(draw.integers(max(0, pixels - side) // 4 + 1)) for pixels in size]
    return tuple(slice(start, start + side) for start in starts)

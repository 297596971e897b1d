"""Noise levels as waves, so that a network can tell close ones apart."""

import math

import torch
from torch import Tensor

LEVEL_WAVES = 16


def level_waves(level: Tensor) -> Tensor:
    """Levels in 0..1 [...] -> sines and cosines [... 2 LEVEL_WAVES], half a turn to 64 turns."""
    rates = math.pi * 2 ** torch.linspace(0, 7, LEVEL_WAVES, device=level.device)
    turned = level.float()[..., None] * rates
    return torch.cat([turned.sin(), turned.cos()], dim=-1)

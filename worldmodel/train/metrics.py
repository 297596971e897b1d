"""Figures that training reports while it goes on."""

import torch
from torch import Tensor


def psnr(a: Tensor, b: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB of uint8 frames [... H W 3], a value a frame [...]."""
    error = (a.float() - b.float()).square().mean(dim=(-3, -2, -1))
    return 10 * torch.log10(255**2 / error.clamp_min(1e-3))

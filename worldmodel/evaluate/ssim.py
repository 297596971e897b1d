"""Figures of pictures that need no network. Shapes: [... H W 3] uint8 in, a value a frame out."""

import torch
from torch import Tensor

from worldmodel.train.metrics import psnr

__all__ = ["colour", "gradient_energy", "psnr", "ssim"]

WINDOW, SIGMA = 11, 1.5
K1, K2, RANGE = 0.01, 0.03, 255.0
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
CHUNK = 64  # frames at once


def ssim(a: Tensor, b: Tensor) -> Tensor:
    """Structural similarity [...] of frames [... H W 3], at most 1 (Wang et al. 2004, eq. 13).

    Gaussian window of 11 and deviation 1.5, where it lies wholly inside; the mean of the channels.
    """
    shape = torch.broadcast_shapes(a.shape, b.shape)
    pairs = (x.expand(shape).flatten(0, -4).split(CHUNK) for x in (a, b))
    values = [_ssim(*pair) for pair in zip(*pairs, strict=True)]
    return torch.cat(values).view(shape[:-3])


def _ssim(a: Tensor, b: Tensor) -> Tensor:
    x, y = (part.movedim(-1, -3).float() for part in (a, b))
    mean_x, mean_y, xx, yy, xy = map(_blurred, (x, y, x * x, y * y, x * y))
    c1, c2 = (K1 * RANGE) ** 2, (K2 * RANGE) ** 2
    variances = xx - mean_x**2 + yy - mean_y**2
    covariance = xy - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    structure = (2 * covariance + c2) / (variances + c2)
    return (luminance * structure).mean(dim=(1, 2, 3))


def _blurred(x: Tensor) -> Tensor:
    """A Gaussian mean of [... H W] over every window that lies inside."""
    return _windows(x.shape[-2]) @ x @ _windows(x.shape[-1]).T


def _windows(size: int) -> Tensor:
    """The weights [size - 10 size] of all windows along an axis."""
    at = torch.arange(size) - torch.arange(size - WINDOW + 1)[:, None]
    inside = (at >= 0) & (at < WINDOW)
    weight = torch.exp(-((at - WINDOW // 2) ** 2) / (2 * SIGMA**2)) * inside
    return weight / weight.sum(dim=1, keepdim=True)


def gradient_energy(frames: Tensor) -> Tensor:
    """Sharpness: mean square step of luma to the right and down, in grey levels squared [...]."""
    luma = frames.float() @ torch.tensor(LUMA)
    right, down = luma.diff(dim=-1).square(), luma.diff(dim=-2).square()
    return right.mean(dim=(-2, -1)) + down.mean(dim=(-2, -1))


def colour(frames: Tensor) -> Tensor:
    """Mean red, green and blue of frames, in grey levels [... 3]."""
    return frames.float().mean(dim=(-3, -2))

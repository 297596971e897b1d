"""The rectified-flow path between noise and data (arXiv 2209.03003): tau 0 is noise, 1 is clean."""

from torch import Tensor


def noised(clean: Tensor, noise: Tensor, tau: Tensor) -> Tensor:
    """z = tau x + (1 - tau) eps, for clean and noise [... n c] and tau [...]."""
    tau = tau[..., None, None]
    return tau * clean + (1 - tau) * noise


def velocity(clean: Tensor, noisy: Tensor, tau: float) -> Tensor:
    """u = (x - z) / (1 - tau), the slope of the straight path from z at tau to x at 1."""
    return (clean - noisy) / (1 - tau)

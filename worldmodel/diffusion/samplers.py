"""Few-step samplers as free functions of one signature.

`denoise(z, tau, jump) -> x` predicts the clean latent; `times` are the levels visited, 0 to 1.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

from torch import Tensor

from worldmodel.diffusion.path import velocity
from worldmodel.errors import UserError

Denoise = Callable[[Tensor, float, float], Tensor]
Fresh = Callable[[int], Tensor]


def sample_euler(denoise: Denoise, noise: Tensor, times: Sequence[float], fresh: Fresh) -> Tensor:
    """Follow the flow in straight jumps: z <- z + d u. Deterministic; `fresh` is not used."""
    z = noise
    for tau, after in pairwise(times):
        z = z + (after - tau) * velocity(denoise(z, tau, after - tau), z, tau)
    return z


def sample_renoise(denoise: Denoise, noise: Tensor, times: Sequence[float], fresh: Fresh) -> Tensor:
    """Predict the clean latent and noise it again to the next level with `fresh(i)` noise.

    The multistep sampler of consistency models (arXiv 2303.01469, algorithm 1).
    """
    z = noise
    for i, (tau, after) in enumerate(pairwise(times)):
        z = denoise(z, tau, after - tau)
        if after < 1:
            z = after * z + (1 - after) * fresh(i)
    return z


SAMPLERS = {"euler": sample_euler, "renoise": sample_renoise}


def sampler_named(name: str) -> Callable[..., Tensor]:
    if name not in SAMPLERS:
        raise UserError(f"unknown sampler {name!r}; choose one of {', '.join(SAMPLERS)}")
    return SAMPLERS[name]


def guided(conditional: Denoise, unconditional: Denoise, scale: float) -> Denoise:
    """Classifier-free guidance (arXiv 2207.12598): away from what unknown keys would bring."""
    if scale == 1.0:
        return conditional

    def denoise(z: Tensor, tau: float, jump: float) -> Tensor:
        blind = unconditional(z, tau, jump)
        return blind + scale * (conditional(z, tau, jump) - blind)

    return denoise

"""Few-step samplers as free functions of one signature.

`denoise(z, tau, jump) -> x` predicts the clean latent; `times` are the levels visited, 0 to 1.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from worldmodel.diffusion.path import velocity
from worldmodel.errors import UserError

Denoise = Callable[[Tensor, float, float], Tensor]
Fresh = Callable[[int], Tensor]
Sampler = Callable[[Denoise, Tensor, Sequence[float], Fresh], Tensor]
NEAREST = 1 - 1e-4  # to clean data
ENOUGH = 0.75  # share of a place that is known from which on the rest is an edge, and is let be


def sample_euler(denoise: Denoise, noise: Tensor, times: Sequence[float], fresh: Fresh) -> Tensor:
    """Follow the flow in straight jumps: z <- z + d u. Deterministic; `fresh` is not used."""
    z = noise
    for tau, after in pairwise(times):
        clean = denoise(z, tau, after - tau)
        z = torch.lerp(z, clean, (after - tau) / (1 - tau))  # z + (after - tau) velocity
    return z


def sample_heun(denoise: Denoise, noise: Tensor, times: Sequence[float], fresh: Fresh) -> Tensor:
    """Heun's method of second order (EDM, arXiv 2206.00364, algorithm 1); two looks a jump.

    The last jump ends where the slope is not defined and is Euler's.
    """
    z = noise
    for tau, after in pairwise(times):
        slope = velocity(denoise(z, tau, after - tau), z, tau)
        ahead = z + (after - tau) * slope
        if after < 1:
            slope = (slope + velocity(denoise(ahead, after, after - tau), ahead, after)) / 2
        z = z + (after - tau) * slope
    return z


def renoising(strength: float) -> Sampler:
    """Predict the clean latent and noise it again to the next level, `strength` of it fresh.

    At 0 the noise is the one that z tells of, and the sampler Euler's; at 1 all of it is fresh,
    as in the multistep sampler of consistency models (arXiv 2303.01469, algorithm 1). Between, the
    shares keep unit variance, as in DDIM (arXiv 2010.02502, equation 12).
    """
    if not 0 <= strength <= 1:
        raise UserError(f"the strength of renoising must lie in 0 to 1, found {strength}")
    kept = (1 - strength**2) ** 0.5

    def sample(denoise: Denoise, noise: Tensor, times: Sequence[float], fresh: Fresh) -> Tensor:
        z = noise
        for i, (tau, after) in enumerate(pairwise(times)):
            clean = denoise(z, tau, after - tau)
            told = (z - tau * clean) / (1 - tau)
            z = clean
            if after < 1:
                mixed = kept * told + (strength * fresh(i) if strength else 0)
                z = after * clean + (1 - after) * mixed
        return z

    return sample


sample_renoise = renoising(1.0)


def invert(denoise: Denoise, clean: Tensor, times: Sequence[float]) -> Tensor:
    """The noise that `sample_euler` would turn into `clean`, by the same flow backwards.

    Of order one in the length of the jumps, as Euler's sampler is. Slopes are taken no nearer to 1
    than NEAREST, where they are a ratio of two small numbers.
    """
    z = clean
    for tau, before in pairwise(reversed(times)):
        level = min(tau, NEAREST)
        z = z + (before - tau) * velocity(denoise(z, level, tau - before), z, level)
    return z


def sample_warm(
    sampler: Sampler, denoise: Denoise, noise: Tensor, times: Sequence[float], fresh: Fresh, *,
    level: float, start: Tensor, known: Tensor,
) -> Tensor:  # fmt: skip
    """Begin at `level` with what is known of the result, noised (SDEdit, arXiv 2108.01073).

    `start` [b n c] is known as far as `known` [b n] says, 0..1; the rest is filled in by a first
    look at pure noise, which is one of the looks that `times` has, and spared where no place has
    more to be filled in than its edge. With a single look all of `start` is taken. From the mean of
    what might be, textures would have to be made up; begun so, those that are there stay.
    """
    if len(times) > 2:
        new = known < ENOUGH
        if new.any():
            guess = denoise(noise, 0.0, level)
            mixed = guess + known[..., None] * (start - guess)
            start = torch.where(new[..., None], mixed, start)
        times = times[:-1]
    begun = torch.lerp(noise, start, level)
    jumps = len(times) - 1
    levels = [level + (1 - level) * i / jumps for i in range(jumps + 1)]
    return sampler(denoise, begun, levels, fresh)


SAMPLERS = {"euler": sample_euler, "heun": sample_heun, "renoise": sample_renoise}


def sampler_named(name: str) -> Sampler:
    if name not in SAMPLERS:
        raise UserError(f"unknown sampler {name!r}; choose one of {', '.join(SAMPLERS)}")
    return SAMPLERS[name]


def guided(
    conditional: Denoise,
    unconditional: Denoise,
    scale: float,
    interval: tuple[float, float] = (0.0, 1.0),
) -> Denoise:
    """Classifier-free guidance (arXiv 2207.12598): away from what unknown keys would bring.

    Only at levels in `interval`, its end not included (arXiv 2404.07724): elsewhere guidance costs
    a second look and gains little.
    """
    if scale == 1.0:
        return conditional

    def denoise(z: Tensor, tau: float, jump: float) -> Tensor:
        if not interval[0] <= tau < interval[1]:
            return conditional(z, tau, jump)
        blind = unconditional(z, tau, jump)  # first, as the last look may be remembered
        return blind + scale * (conditional(z, tau, jump) - blind)

    return denoise

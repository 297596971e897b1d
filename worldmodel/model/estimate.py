"""The linear-Gaussian estimate of a clean latent from its noisy self and the frame before it.

With standardised latents, x given the previous frame p (noise level tau_p, correlation rho) and
z = tau x + (1 - tau) eps is Gaussian to first order. The network predicts only what is left over,
in units of the remaining deviation (cf. the preconditioning of EDM, arXiv 2206.00364).
"""

from torch import Tensor

FLOOR = 1e-4  # least variance left, so that a clean z does not divide by zero


def linear_estimate(
    noisy: Tensor, tau: Tensor, previous: Tensor, previous_tau: Tensor, rho: Tensor
) -> tuple[Tensor, Tensor]:
    """Mean and deviation of x. noisy, previous [... n c]; tau, previous_tau [...]; rho [c]."""
    tau, tau_p = tau[..., None, None], previous_tau[..., None, None]
    power = tau_p**2 + (1 - tau_p) ** 2  # of the previous latent as it is seen
    prior = rho * tau_p / power * previous
    prior_variance = 1 - (rho * tau_p) ** 2 / power
    noise = (1 - tau) ** 2
    evidence = prior_variance * tau**2 + noise
    mean = prior + prior_variance * tau / evidence.clamp_min(FLOOR) * (noisy - tau * prior)
    variance = prior_variance * noise / evidence.clamp_min(FLOOR)
    return mean, variance.clamp_min(FLOOR).sqrt()

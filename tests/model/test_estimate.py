"""The linear estimate against conditioning a joint Gaussian by its covariance matrix."""

import itertools

import pytest
import torch

from worldmodel.model.estimate import FLOOR, linear_estimate

LEVELS = (0.0, 0.2, 0.5, 0.9)


def conditioned(noisy, tau, previous, tau_p, rho):
    """Mean and deviation of x given z = tau x + (1 - tau) e and q = tau_p p + (1 - tau_p) e'."""
    seen = torch.tensor(
        [
            [tau**2 + (1 - tau) ** 2, tau * tau_p * rho],
            [tau * tau_p * rho, tau_p**2 + (1 - tau_p) ** 2],
        ],
        dtype=torch.float64,
    )
    cross = torch.tensor([tau, tau_p * rho], dtype=torch.float64)
    weights = torch.linalg.solve(seen, cross)
    mean = weights[0] * noisy + weights[1] * previous
    return mean, (1 - weights @ cross).clamp_min(FLOOR).sqrt()


@pytest.mark.parametrize(("tau", "tau_p"), [*itertools.product(LEVELS, (*LEVELS, 1.0))])
def test_it_is_the_conditional_gaussian(tau, tau_p):
    rho = torch.tensor([0.0, 0.4, 0.95], dtype=torch.float64)
    noisy, previous = torch.randn(2, 5, 3, dtype=torch.float64)
    levels = torch.tensor(tau, dtype=torch.float64), torch.tensor(tau_p, dtype=torch.float64)
    mean, deviation = linear_estimate(noisy, levels[0], previous, levels[1], rho)
    for channel, correlation in enumerate(rho.tolist()):
        expected = conditioned(noisy[:, channel], tau, previous[:, channel], tau_p, correlation)
        torch.testing.assert_close(mean[:, channel], expected[0])
        torch.testing.assert_close(deviation[..., channel].squeeze(), expected[1])


def test_it_is_what_least_squares_finds_in_samples():
    count, tau, tau_p, rho = 200_000, 0.4, 0.9, 0.8
    p, fresh, e, e_p = torch.randn(4, count)
    x = rho * p + (1 - rho**2) ** 0.5 * fresh
    z, q = tau * x + (1 - tau) * e, tau_p * p + (1 - tau_p) * e_p
    fit = torch.linalg.lstsq(torch.stack([z, q], 1), x[:, None]).solution[:, 0]
    left = (x - fit[0] * z - fit[1] * q).std()
    one, none = torch.ones(1, 1), torch.zeros(1, 1)
    levels = torch.tensor(tau), torch.tensor(tau_p)
    by_noisy, deviation = linear_estimate(one, levels[0], none, levels[1], torch.tensor([rho]))
    by_previous, _ = linear_estimate(none, levels[0], one, levels[1], torch.tensor([rho]))
    found = torch.tensor([by_noisy.item(), by_previous.item(), deviation.item()])
    torch.testing.assert_close(found, torch.stack([*fit, left]), rtol=0, atol=0.01)


def test_a_clean_frame_is_its_own_estimate():
    noisy, previous = torch.randn(2, 5, 3)
    mean, deviation = linear_estimate(
        noisy, torch.tensor(1.0), previous, torch.tensor(1.0), torch.tensor([0.0, 0.5, 0.99])
    )
    torch.testing.assert_close(mean, noisy)
    torch.testing.assert_close(deviation, torch.full_like(deviation, FLOOR**0.5))

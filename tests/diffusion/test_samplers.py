"""Samplers on flows whose end is known in closed form.

For data N(m, s^2) the exact denoiser is linear, and the flow carries the noise e to m + s e.
"""

import math
from itertools import pairwise

import pytest
import torch

from worldmodel.diffusion.samplers import (
    guided,
    invert,
    renoising,
    sample_euler,
    sample_heun,
    sample_renoise,
    sample_warm,
    sampler_named,
)
from worldmodel.diffusion.schedules import even_times
from worldmodel.errors import UserError

MEAN, DEVIATION = 1.5, 0.4


def no_fresh_noise(index):
    raise AssertionError("a deterministic sampler asked for noise")


def gaussian_denoiser(z, tau, jump):
    """E[x | z] for x ~ N(MEAN, DEVIATION^2)."""
    power = (tau * DEVIATION) ** 2 + (1 - tau) ** 2
    return MEAN + DEVIATION**2 * tau / power * (z - tau * MEAN)


def flow_map(z, tau, jump):
    """Where the flow through z at tau ends: what a consistency model predicts."""
    power = (tau * DEVIATION) ** 2 + (1 - tau) ** 2
    return MEAN + DEVIATION * (z - tau * MEAN) / math.sqrt(power)


@pytest.mark.parametrize(("sample", "order"), [(sample_euler, 1), (sample_heun, 2)])
def test_a_sampler_converges_to_the_known_end_with_its_order(sample, order):
    noise = torch.linspace(-2, 2, 9, dtype=torch.float64)
    errors = []
    for steps in (32, 64, 128, 256):
        end = sample(gaussian_denoiser, noise, even_times(steps), no_fresh_noise)
        errors.append((end - (MEAN + DEVIATION * noise)).abs().max())
    ratios = torch.tensor([a / b for a, b in pairwise(errors)]).float()
    torch.testing.assert_close(ratios, torch.full((3,), 2.0**order), rtol=0.15, atol=0)
    assert errors[-1] < 0.02


def test_inversion_finds_the_noise_with_order_one():
    noise = torch.linspace(-2, 2, 9, dtype=torch.float64)
    clean, errors = MEAN + DEVIATION * noise, []
    for steps in (32, 64, 128):
        found = invert(gaussian_denoiser, clean, even_times(steps))
        errors.append((found - noise).abs().max())
    ratios = torch.tensor([a / b for a, b in pairwise(errors)]).float()
    torch.testing.assert_close(ratios, torch.full((2,), 2.0), rtol=0.15, atol=0)


def test_there_and_back_again():
    noise = torch.linspace(-2, 2, 9, dtype=torch.float64)
    there = sample_euler(gaussian_denoiser, noise, even_times(1000), no_fresh_noise)
    back = invert(gaussian_denoiser, there, even_times(1000))
    torch.testing.assert_close(back, noise, rtol=0, atol=0.02)


def test_renoising_without_fresh_noise_is_euler():
    noise = torch.linspace(-2, 2, 9, dtype=torch.float64)
    ends = [
        sample(gaussian_denoiser, noise, even_times(5), no_fresh_noise)
        for sample in (sample_euler, renoising(0.0))
    ]
    torch.testing.assert_close(*ends)


@pytest.mark.parametrize("strength", [0.3, 1.0])
def test_fresh_noise_keeps_the_variance(strength):
    """With a denoiser that knows nothing, what is left at a level is unit noise times 1 - tau."""
    draw = torch.Generator().manual_seed(0)
    told = []

    def denoise(z, tau, jump):
        told.append((tau, z.std()))
        return torch.zeros_like(z)

    noise = torch.randn(100_000, generator=draw)
    fresh = lambda i: torch.randn(100_000, generator=draw)
    renoising(strength)(denoise, noise, even_times(4), fresh)
    for tau, deviation in told:
        assert deviation == pytest.approx(1 - tau, abs=0.01)


def test_a_strength_beyond_one_is_refused_in_a_sentence():
    with pytest.raises(UserError, match="must lie in 0 to 1"):
        renoising(1.5)


def test_uneven_levels_lead_to_the_same_end():
    noise = torch.linspace(-2, 2, 9, dtype=torch.float64)
    times = [math.sin(math.pi / 2 * tau) for tau in even_times(512)]
    end = sample_euler(gaussian_denoiser, noise, times, no_fresh_noise)
    torch.testing.assert_close(end, MEAN + DEVIATION * noise, rtol=0, atol=0.02)


@pytest.mark.parametrize("sample", [sample_euler, sample_heun, sample_renoise])
def test_one_step_is_the_denoiser(sample):
    noise = torch.randn(5, 4)
    asked = []

    def denoise(z, tau, jump):
        asked.append((z, tau, jump))
        return torch.tanh(3 * z)

    end = sample(denoise, noise, even_times(1), no_fresh_noise)
    torch.testing.assert_close(end, torch.tanh(3 * noise))
    assert asked == [(noise, 0.0, 1.0)]


@pytest.mark.parametrize("sample", [sample_euler, sample_renoise])
def test_the_denoiser_is_told_level_and_jump(sample):
    told = []

    def denoise(z, tau, jump):
        told.append((tau, jump))
        return z

    sample(denoise, torch.randn(3), (0.0, 0.25, 0.75, 1.0), lambda i: torch.zeros(3))
    assert told == [(0.0, 0.25), (0.25, 0.5), (0.75, 0.25)]


def test_renoising_finds_a_point_whatever_the_noise():
    point = torch.randn(6)
    end = sample_renoise(
        lambda z, tau, jump: point, torch.randn(6), even_times(4), lambda i: torch.randn(6)
    )
    assert torch.equal(end, point)


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_renoising_with_the_flow_map_samples_the_data(steps):
    """A perfect consistency model gives N(m, s^2) at any number of steps."""
    noise, fresh = torch.randn(200_000), lambda i: torch.randn(200_000)
    end = sample_renoise(flow_map, noise, even_times(steps), fresh)
    assert end.mean() == pytest.approx(MEAN, abs=0.01)
    assert end.std() == pytest.approx(DEVIATION, abs=0.01)


def test_renoising_asks_for_noise_between_steps_only():
    asked = []

    def fresh(index):
        asked.append(index)
        return torch.zeros(3)

    sample_renoise(lambda z, tau, jump: z, torch.randn(3), even_times(4), fresh)
    assert asked == [0, 1, 2]


def test_guidance_of_one_is_the_conditional_denoiser():
    conditional = lambda z, tau, jump: z + 1
    assert guided(conditional, None, 1.0) is conditional


def test_guidance_leads_away_from_unknown_keys():
    z = torch.zeros(3)
    with_keys, without = (lambda z, tau, jump: z + 1), (lambda z, tau, jump: z - 1)
    assert torch.equal(guided(with_keys, without, 0.0)(z, 0.5, 0.1), z - 1)
    assert torch.equal(guided(with_keys, without, 2.0)(z, 0.5, 0.1), z + 3)


def test_guidance_holds_in_its_interval_only():
    z, blind = torch.zeros(3), []
    with_keys = lambda z, tau, jump: z + 1
    without = lambda z, tau, jump: blind.append(tau) or z - 1
    denoise = guided(with_keys, without, 2.0, interval=(0.25, 0.75))
    ends = [float(denoise(z, tau, 0.25)[0]) for tau in (0.0, 0.25, 0.5, 0.75)]
    assert ends == [1, 3, 3, 1] and blind == [0.25, 0.5]


def test_an_unknown_sampler_is_refused_in_a_sentence():
    assert sampler_named("euler") is sample_euler
    with pytest.raises(UserError, match="choose one of euler, heun, renoise"):
        sampler_named("leap")


def warm(denoise, steps, known, sampler=sample_euler):
    """A warm start from 5 at level 0.5, with noise of 1."""
    start, noise = torch.full((1, 2, 3), 5.0), torch.ones(1, 2, 3)
    return sample_warm(
        sampler, denoise, noise, even_times(steps), no_fresh_noise,
        level=0.5, start=start, known=torch.tensor([known]),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("steps", "levels"), [(1, [0.5]), (2, [0, 0.5]), (4, [0, 0.5, 4 / 6, 5 / 6])]
)
def test_a_warm_start_takes_as_many_looks_as_a_cold_one(steps, levels):
    looks = []
    warm(lambda z, tau, jump: looks.append(tau) or torch.zeros_like(z), steps, [1.0, 0.0])
    assert looks == pytest.approx(levels)


@pytest.mark.parametrize("steps", [2, 4])
def test_where_all_is_known_the_first_look_is_spared(steps):
    looks = []

    def denoise(z, tau, jump):
        looks.append(tau)
        return 2 * z + tau

    spared = warm(denoise, steps, [1.0, 1.0])
    assert len(looks) == steps - 1
    half = warm(denoise, steps, [1.0, 0.0])  # places do not see each other here
    assert torch.equal(spared[:, 0], half[:, 0])


@pytest.mark.parametrize("known", [[0.75, 1.0], [0.9, 0.8]])
def test_of_what_is_known_but_for_an_edge_all_is_taken(known):
    """Alone, and beside a place of another player that needs the first look."""
    looks = []

    def denoise(z, tau, jump):
        looks.append(tau)
        return 2 * z + tau

    alone = warm(denoise, 2, known)
    assert looks == [0.5] and torch.equal(alone, warm(denoise, 2, [1.0, 1.0]))
    assert torch.equal(alone[:, 0], warm(denoise, 2, [known[0], 0.2])[:, 0])


def test_what_is_known_begins_there_and_what_is_not_with_the_first_guess():
    seen = []

    def denoise(z, tau, jump):
        seen.append(z)
        return torch.full_like(z, 9.0)

    warm(denoise, 2, [1.0, 0.0])
    assert torch.equal(seen[0], torch.ones(1, 2, 3))  # the first look sees noise alone
    assert seen[1][0, :, 0].tolist() == [0.5 * 5 + 0.5, 0.5 * 9 + 0.5]


def test_a_warm_start_ends_where_the_denoiser_leads():
    for sampler in (sample_euler, sample_heun):
        end = warm(lambda z, tau, jump: torch.full_like(z, 9.0), 3, [1.0, 0.3], sampler)
        torch.testing.assert_close(end, torch.full((1, 2, 3), 9.0))

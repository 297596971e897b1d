"""Which noise levels are visited and drawn."""

from itertools import pairwise

import pytest
import torch

from worldmodel.diffusion.samplers import sample_euler, sample_warm
from worldmodel.diffusion.schedules import (
    CONTEXT_SPAN,
    draw_levels,
    even_times,
    level_weight,
    visited_levels,
)


def draw(batch=4000, frames=8, seed=0):
    return draw_levels(batch, frames, torch.Generator().manual_seed(seed))


def test_even_times_go_from_noise_to_data():
    assert even_times(1) == (0.0, 1.0)
    assert even_times(4) == (0.0, 0.25, 0.5, 0.75, 1.0)


@pytest.mark.parametrize("steps", [1, 2, 3, 5])
def test_warm_levels_are_those_that_the_sampler_visits(steps):
    """`sample_warm` itself says where it looks and how far it jumps."""
    asked, noise = [], torch.zeros(1, 2, 3)

    def denoise(z, tau, jump):
        asked.append((tau, jump))
        return z

    sample_warm(
        sample_euler, denoise, noise, even_times(steps), None, level=0.7, start=noise,
        known=torch.zeros(1, 2),
    )  # fmt: skip
    levels = visited_levels(steps, 0.7)
    expected = [(a, b - a) for a, b in pairwise(levels)]
    assert [x for pair in asked for x in pair] == pytest.approx([x for p in expected for x in p])
    assert visited_levels(steps) == even_times(steps)


def test_clean_frames_weigh_most():
    tau = torch.tensor([0.0, 0.5, 1.0])
    torch.testing.assert_close(level_weight(tau), torch.tensor([0.1, 0.55, 1.0]))
    torch.testing.assert_close(level_weight(tau, 1.0), torch.ones(3))


def test_levels_are_a_function_of_the_generator():
    assert torch.equal(draw(seed=3), draw(seed=3))
    assert not torch.equal(draw(seed=3), draw(seed=4))


def test_levels_lie_between_noise_and_data():
    levels = draw()
    assert levels.shape == (4000, 8)
    assert levels.min() == 0 and levels.max() <= 1


def test_every_frame_of_a_clip_draws_for_itself():
    noisy = draw(batch=16_000)
    both = (noisy[:, :2] > 0).all(1) & (noisy[:, :2] < 1 - CONTEXT_SPAN).all(1)
    together = torch.corrcoef(noisy[both, :2].T)[0, 1]
    assert both.sum() > 500 and abs(together) < 0.1


def test_pure_noise_and_a_nearly_clean_past_are_frequent():
    levels = draw()
    forced = 0.6 * 0.5 + 0.2 * 0.5
    pure = 0.43 / 1.43
    assert (levels == 0).float().mean() == pytest.approx((1 - forced) * pure, abs=0.01)
    nearly_clean = forced + (1 - forced) * CONTEXT_SPAN / 1.43
    assert (levels > 1 - CONTEXT_SPAN).float().mean() == pytest.approx(nearly_clean, abs=0.02)


def test_in_most_clips_every_second_frame_is_nearly_clean():
    clean = draw() > 1 - CONTEXT_SPAN
    even, odd = clean[:, ::2].all(1), clean[:, 1::2].all(1)
    assert (even | odd).float().mean() == pytest.approx(0.6, abs=0.04)
    assert even.float().mean() == pytest.approx(0.3, abs=0.03)

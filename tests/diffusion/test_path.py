"""The straight path between noise and data."""

import torch

from worldmodel.diffusion.path import noised, velocity


def test_the_path_begins_as_noise_and_ends_as_data():
    clean, noise = torch.randn(2, 3, 5, 4), torch.randn(2, 3, 5, 4)
    assert torch.equal(noised(clean, noise, torch.zeros(2, 3)), noise)
    assert torch.equal(noised(clean, noise, torch.ones(2, 3)), clean)


def test_each_frame_has_its_own_level():
    clean, noise = torch.ones(1, 3, 5, 4), torch.zeros(1, 3, 5, 4)
    levels = torch.tensor([[0.1, 0.5, 0.9]])
    assert torch.equal(noised(clean, noise, levels)[0, :, 0, 0], levels[0])


def test_following_the_velocity_leads_to_the_data():
    clean, noise, tau = torch.randn(2, 5, 4), torch.randn(2, 5, 4), 0.3
    noisy = noised(clean, noise, torch.full((2,), tau))
    slope = velocity(clean, noisy, tau)
    torch.testing.assert_close(noisy + (1 - tau) * slope, clean)
    torch.testing.assert_close(slope, clean - noise)

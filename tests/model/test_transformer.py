"""The world network: what a frame may depend on, and what it must."""

import dataclasses

import pytest
import torch
from tiny import LATENTS, WORLD, clip, world

from worldmodel.errors import UserError
from worldmodel.model.estimate import linear_estimate
from worldmodel.model.transformer import (
    WorldConfig,
    WorldTransformer,
    level_waves,
    past_mask,
)


@pytest.fixture
def network():
    return world().requires_grad_(False)


def predict(network, latents, tau, controls):
    return network(latents, tau, torch.zeros_like(tau), controls)


def frames_that_differ(a, b):
    """Indices of the frames in which two clips [b t n c] differ by more than rounding."""
    return ((a - b).abs().amax(dim=(0, 2, 3)) > 1e-5).nonzero().flatten().tolist()


def test_noisy_clips_become_clean_clips_of_the_same_shape(network):
    latents, tau, controls = clip()
    out = predict(network, latents, tau, controls)
    assert out.shape == latents.shape == (2, 11, LATENTS, 4) and out.dtype == torch.float32


def test_an_untrained_network_is_the_linear_estimate():
    network = WorldTransformer(WORLD).requires_grad_(False)
    network.rho.fill_(0.7)
    latents, tau, controls = clip()
    before = [torch.cat([torch.zeros_like(x[:, :1]), x[:, :-1]], 1) for x in (latents, tau)]
    mean, _ = linear_estimate(latents, tau, *before, network.rho)
    torch.testing.assert_close(predict(network, latents, tau, controls), mean)


def test_no_frame_sees_the_future(network):
    latents, tau, controls = clip()
    base = predict(network, latents, tau, controls)
    for part in (latents, tau, controls):
        changed = [x.clone() for x in (latents, tau, controls)]
        at = next(i for i, x in enumerate((latents, tau, controls)) if x is part)
        changed[at][:, 5] = 1 - changed[at][:, 5]
        differ = frames_that_differ(predict(network, *changed), base)
        assert min(differ) == 5


def test_the_keys_of_a_frame_change_that_frame(network):
    """The alignment of the whole project: controls[t] produced frame t."""
    latents, tau, controls = clip(frames=3)
    other = controls.clone()
    other[:, 2] = 1 - other[:, 2]
    tau[:] = 0.5
    differ = frames_that_differ(
        predict(network, latents, tau, other), predict(network, latents, tau, controls)
    )
    assert differ == [2]


def test_the_past_reaches_as_far_as_the_dense_blocks_carry_it(network):
    latents, tau, controls = clip(batch=1, frames=14)
    other = latents.clone()
    other[:, 0] += 1
    differ = frames_that_differ(
        predict(network, other, tau, controls), predict(network, latents, tau, controls)
    )
    # two dense blocks of 4 frames each, and the frame before that every frame is shown
    assert differ[-1] <= 2 * WORLD.window + 1
    assert len(differ) > WORLD.window


def test_unknown_keys_are_not_released_keys(network):
    latents, tau, controls = clip(frames=2)
    tau[:] = 0.3
    none = predict(network, latents, tau, torch.zeros_like(controls))
    blind = predict(network, latents, tau, torch.full_like(controls, torch.nan))
    assert blind.isfinite().all()
    assert frames_that_differ(none, blind) == [0, 1]


def test_a_partly_unknown_clip_is_unknown_only_there(network):
    latents, tau, controls = clip(frames=3)
    hidden = controls.clone()
    hidden[:, 2] = torch.nan
    a, b = (predict(network, latents, tau, keys) for keys in (controls, hidden))
    assert frames_that_differ(a, b) == [2]


def test_the_jump_is_told_to_a_network_that_has_learned_jumps_only(network):
    latents, tau, controls = clip(frames=2)
    told = world(dataclasses.replace(WORLD, jumps=True)).requires_grad_(False)
    for heeding, each in ((False, network), (True, told)):
        plain = each(latents, tau, torch.zeros_like(tau), controls)
        jumping = each(latents, tau, torch.full_like(tau, 0.5), controls)
        assert bool(frames_that_differ(jumping, plain)) == heeding


def test_clips_of_a_batch_do_not_mix(network):
    latents, tau, controls = clip(batch=3, frames=5)
    whole = predict(network, latents, tau, controls)
    for i in range(3):
        alone = predict(network, latents[i : i + 1], tau[i : i + 1], controls[i : i + 1])
        torch.testing.assert_close(alone[0], whole[i], rtol=1e-4, atol=1e-4)


def test_every_weight_is_used():
    network = world()
    latents, tau, controls = clip()
    controls[0, 3] = torch.nan
    predict(network, latents, tau, controls).square().mean().backward()
    idle = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert idle == []


def test_the_mask_by_hand():
    tokens_two_window_one = past_mask(3, 2, 1).int().tolist()
    assert tokens_two_window_one == [
        [1, 1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [1, 1, 1, 1, 0, 0],
        [1, 1, 1, 1, 0, 0],
        [0, 0, 1, 1, 1, 1],
        [0, 0, 1, 1, 1, 1],
    ]


def test_levels_near_each_other_can_be_told_apart():
    waves = level_waves(torch.linspace(0, 1, 65))
    assert waves.shape == (65, 32) and waves.abs().max() <= 1
    assert torch.pdist(waves).min() > 0.1


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"grid": (3, 6)}, "must be even"),
        ({"width": 30, "heads": 4}, "4 heads of even size"),
        ({"width": 12, "heads": 4}, "4 heads of even size"),
        ({"heads": 0}, "at least 1"),
        ({"window": 0}, "at least 1"),
        ({"dense": ()}, "dense blocks must lie in 0..2"),
        ({"dense": (3,)}, "dense blocks must lie in 0..2"),
    ],
)
def test_sizes_that_do_not_fit_are_refused_in_a_sentence(change, sentence):
    with pytest.raises(UserError, match=sentence):
        dataclasses.replace(WORLD, **change)


def test_tokens_are_two_by_two_latents():
    assert WorldConfig().tokens == 48 and WorldConfig().head == 64

"""Pasts that the world dreams itself: what is dreamed, what follows from it, and the gradient."""

import pytest
import torch
from tiny import LATENTS, MOTION, MOVING_WORLD, clip, motion, tokenizer, world

from worldmodel.model.carrier import Carrier
from worldmodel.train.objectives.own_past import own_past
from worldmodel.train.objectives.rectified_flow import flow_loss


@pytest.fixture
def carrier():
    return Carrier(motion().requires_grad_(False), tokenizer().requires_grad_(False))


@pytest.fixture
def network():
    return world(MOVING_WORLD)


def draw(seed=0):
    return torch.Generator().manual_seed(seed)


def dreamed_clip(network, carrier, seed=0):
    """A clip, its keys and carried latents, and its own past."""
    latents, _, controls = clip(frames=10)
    carried = torch.randn(latents.shape)
    carried[:, 0] = 0
    return latents, controls, carried, own_past(
        network, carrier, latents, controls, [carried], 2, 0.7, draw(seed)
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
def test_every_second_frame_is_dreamed_and_the_others_stay(network, carrier, seed):
    latents, _, _, (own, _, dreamed) = dreamed_clip(network, carrier, seed)
    changed = (own != latents).flatten(2).any(-1)
    assert torch.equal(changed, dreamed.expand(2, -1)) and not dreamed[0]
    assert not (dreamed[1:] & dreamed[:-1]).any() and dreamed.sum() >= 4


def test_a_warm_start_dreams_near_what_was_carried(network, carrier):
    """The nearer the level is to clean data, the less is left to be dreamed."""
    latents, _, controls = clip(frames=8)
    carried, far = torch.randn(latents.shape), []
    for level in (0.3, 0.6, 0.95):
        own, _, dreamed = own_past(
            network, carrier, latents, controls, [carried], 2, level, draw()
        )  # fmt: skip
        far.append(float((own - carried)[:, dreamed].abs().mean()))
    assert far[2] < far[0]


def test_what_follows_is_carried_from_the_dream_as_play_carries_it(network, carrier):
    """The cache sees the clip with its dreamed frames, one by one, and carries them on."""
    _, controls, carried, (own, (anew,), dreamed) = dreamed_clip(network, carrier)
    cache, levels = network.empty_cache(2), torch.ones(2)
    with torch.no_grad():
        for i in range(10):
            start = carrier.carry(cache, controls[:, i])
            if i > MOTION.history and dreamed[i - 1]:
                torch.testing.assert_close(anew[:, i], start[0][:, 0], rtol=1e-4, atol=1e-4)
                assert not torch.equal(anew[:, i], carried[:, i])
            else:
                same = torch.equal(anew[:, i], carried[:, i])
                assert same or (dreamed[i - 1] and i >= MOTION.history)
            picture = carrier.picture(own[:, i])
            network.commit(own[:, i], levels, controls[:, i], cache, start, picture)


@pytest.mark.filterwarnings("ignore:Mismatch dtype")  # norms under autocast
def test_the_gradient_still_reaches_every_weight(network, carrier):
    """Under autocast too, which would keep weights cast without gradients."""
    latents, controls, carried, _ = dreamed_clip(network, carrier)
    with torch.autocast("cpu", torch.bfloat16):
        shown, anew, _ = own_past(network, carrier, latents, controls, [carried], 2, 0.0, draw())
        unknown = controls.clone()
        unknown[:, ::2] = torch.nan
        loss = flow_loss(
            network, latents, unknown, anew, torch.rand(2, 10), draw(), shown=shown
        ).mean()
    loss.backward()
    idle = {name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()}
    assert idle == set()


def test_a_world_without_motion_dreams_its_past_too():
    latents, _, controls = clip(frames=6)
    own, anew, dreamed = own_past(world(), None, latents, controls, [], 1, 0.7, draw())
    assert anew == [] and own.shape == (2, 6, LATENTS, 4)
    assert torch.equal(own[:, ~dreamed], latents[:, ~dreamed])

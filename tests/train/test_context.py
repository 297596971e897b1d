"""What play remembers, made for many frames at once: the same as frame by frame."""

import pytest
import torch
from tiny import MOVING_WORLD, WORLD, clip, motion, tokenizer, world

from worldmodel.diffusion.rollout import prefill
from worldmodel.model.cache import FrameCache
from worldmodel.model.carrier import Carrier
from worldmodel.train.context import caches_at


@pytest.mark.parametrize("moving", [False, True])
@torch.no_grad()
def test_all_frames_at_once_are_remembered_as_one_by_one(moving):
    """Before, at and past the wrap of the ring of four."""
    carrier = Carrier(motion(), tokenizer()) if moving else None
    network, (latents, _, controls) = world(MOVING_WORLD if moving else WORLD), clip()
    carried = [carrier.carry_clip(latents, controls)] if carrier else []
    at = torch.tensor([1, 2, 4, 5, 9])
    together = caches_at(network, carrier, latents, controls, carried, at)
    for k, frame in enumerate(at):
        cache = network.empty_cache(2)
        prefill(network, cache, latents[:, :frame], controls[:, :frame], carrier)
        for name, expected in vars(cache.memory).items():
            axis = 1 if name in ("keys", "values") else 0
            found = getattr(together.memory, name).unflatten(axis, (2, len(at)))
            found = found.select(axis + 1, k)
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4, msg=name)


@torch.no_grad()
def test_the_next_look_sees_the_same_past(moving=True):
    carrier, network = Carrier(motion(), tokenizer()), world(MOVING_WORLD)
    latents, tau, controls = clip()
    cache = network.empty_cache(2)
    prefill(network, cache, latents[:, :7], controls[:, :7], carrier)
    carried = [carrier.carry_clip(latents, controls)]
    other = caches_at(network, carrier, latents, controls, carried, torch.tensor([7]))
    assert isinstance(other, FrameCache)
    looks = [
        network(
            latents[:, 7:8], tau[:, 7:8], tau[:, 7:8] * 0, controls[:, 7:8], each,
            carrier.carry(each, controls[:, 7]),
        )
        for each in (cache, other)
    ]  # fmt: skip
    torch.testing.assert_close(*looks, rtol=1e-4, atol=1e-4)

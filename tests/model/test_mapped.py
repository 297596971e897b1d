"""A carrier that knows the map: frames start from the view, and from the last one where it ends."""

import pytest
import torch
from room import Room, finder
from room import atlas as room_atlas
from tiny import LATENTS, MOTION, MOVING_WORLD, motion, tokenizer, world

from worldmodel.diffusion.rollout import prefill, rollout
from worldmodel.model.cache import join, split
from worldmodel.model.carrier import Carrier
from worldmodel.model.mapped import MappedCarrier
from worldmodel.model.tokenizer import to_float
from worldmodel.model.whereabouts import Whereabouts


@pytest.fixture(scope="module")
def carrier():
    torch.manual_seed(0)
    atlas = room_atlas()
    parts = motion(detail=True).requires_grad_(False), tokenizer().requires_grad_(False)
    return MappedCarrier(*parts, None, Whereabouts(atlas, finder(atlas)))


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return world(MOVING_WORLD).requires_grad_(False)


def walk(frames, seed=5):
    """Pictures [1 t 3 H W] and controls [1 t 6] of someone who walks and turns in the room."""
    game, keys = Room(), torch.zeros(1, frames, 6)
    keys[0, 1:, 0], keys[0, 1::2, 2] = 1, 1
    shown = [game.reset(seed)] + [game.step(k.numpy()) for k in keys[0, 1:]]
    return to_float(torch.stack([torch.as_tensor(each) for each in shown]))[None], keys, game


def remembered(network, carrier, pictures, keys):
    cache = network.empty_cache(len(pictures))
    latents = carrier.tokenizer.latents(pictures.flatten(0, 1)).unflatten(0, pictures.shape[:2])
    prefill(network, cache, latents, keys, carrier, pictures)
    return cache


def test_a_frame_starts_from_what_will_be_seen(carrier, network):
    pictures, keys, game = walk(5)
    cache = remembered(network, carrier, pictures, keys)
    turn = torch.tensor([[0.0, 0, 1, 0, 0, 0]])
    carried = carrier.carry(cache, turn)
    truth = to_float(torch.as_tensor(game.step(turn[0].numpy())[None]))
    moved = carrier_without(carrier).carry(remembered(network, carrier, pictures, keys), turn)
    ours, theirs = ((each.picture[:, 0] - truth).square().mean() for each in (carried, moved))
    assert ours < 4e-3 and ours < 0.5 * theirs
    latents = carrier.tokenizer.latents(carried.picture[:, 0])
    assert torch.equal(carried.latents[:, 0], latents) and (carried.known == 1).all()


def carrier_without(carrier):
    """One that moves the last frame on instead."""
    return Carrier(carrier.motion, carrier.tokenizer)


def test_a_dream_goes_on_through_the_room(carrier, network):
    """Turned all the way round, a player stands there again."""
    pictures, keys, _ = walk(3)
    cache = remembered(network, carrier, pictures, keys)
    begun, shown = cache.memory.state, []
    turn = torch.zeros(1, 41, 6)
    turn[..., 2] = 1  # nine degrees a frame
    noise = torch.randn(1, 41, LATENTS, 4)
    rollout(network, cache, turn, noise, carrier=carrier, pictures=shown, times=(0.0, 1.0))
    once = carrier.whereabouts.onward(begun, turn[:, :3] * torch.tensor([1.0, 0, 0])[:, None])
    turned = (cache.memory.state[0, 2] - once[0, 2] + 180) % 360 - 180
    assert turned.abs() < 1e-2 and len(shown) == 41
    slid = (cache.memory.state[0, :2] - begun[0, :2]).norm()  # he had walked, and goes on a little
    assert slid <= 2 * begun[0, 4:6].norm() + 1


def test_who_is_nowhere_moves_on_as_ever(carrier, network):
    pictures, keys = torch.rand(1, 4, 3, 16, 48), torch.zeros(1, 4, 6)
    keys[..., 3] = 1
    cache = remembered(network, carrier, pictures, keys)
    assert cache.memory.state.isnan().any()
    ours = carrier.carry(cache, keys[:, 0])
    theirs = carrier_without(carrier).carry(cache, keys[:, 0])
    assert torch.equal(ours.picture, theirs.picture) and torch.equal(ours.latents, theirs.latents)


def test_players_on_the_map_and_off_it_play_together(carrier, network):
    """The same frame by two roads: each alone, and both at once."""
    (inside, keys, _), outside = walk(4), torch.rand(1, 4, 3, 16, 48)
    caches = [remembered(network, carrier, each, keys) for each in (inside, outside)]
    alone = [carrier.carry(cache, keys[:, -1]) for cache in caches]
    both = carrier.carry(join(caches), keys[:, -1].repeat(2, 1))
    for name in ("latents", "known", "moves", "picture", "state"):
        pair = torch.cat([getattr(each, name) for each in alone])
        assert torch.allclose(getattr(both, name), pair, atol=1e-5, equal_nan=True), name
    assert [len(each.memory.state) for each in split(join(caches))] == [1, 1]


def test_who_stands_still_sees_the_same_to_the_bit(carrier, network):
    pictures, keys, _ = walk(3)
    cache = remembered(network, carrier, pictures, keys)
    nothing = torch.zeros(1, 6)
    for _ in range(12):
        carried = carrier.carry(cache, nothing, rest=0.5)
        latent = torch.where(
            carried.moves[..., None] == 0, carried.last[:, 0], carried.latents[:, 0]
        )
        picture = carrier.picture(latent, carried)
        network.commit(latent, torch.ones(1), nothing, cache, carried, picture)
    before, state = cache.memory.picture, cache.memory.state
    carried = carrier.carry(cache, nothing, rest=0.5)
    assert torch.equal(carried.picture[:, 0], before) and carried.moves.item() == 0
    assert torch.equal(carried.state[:, 0, :4], state[:, :4])
    assert (carried.state[:, 0, 4:6] == 0).all()


def test_without_momentum_no_flow_is_remembered(carrier, network):
    pictures, keys, _ = walk(3)
    assert not MOTION.momentum
    cache = remembered(network, carrier, pictures, keys)
    assert carrier.carry(cache, keys[:, -1]).flow.shape == (1, 1, 0)

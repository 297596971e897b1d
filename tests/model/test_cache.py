"""The cache gives what the uncached network gives, and only `commit` changes it."""

import dataclasses

import pytest
import torch
from tiny import WORLD, clip, world

from worldmodel.model.cache import join, split
from worldmodel.model.rotary import time_angles, turned

pytestmark = pytest.mark.usefixtures("no_gradients")
CLOSE = {"rtol": 1e-4, "atol": 1e-4}


@pytest.fixture
def no_gradients():
    with torch.no_grad():
        yield


@pytest.fixture
def network():
    return world()


def look(network, cache, frame, tau, controls):
    """The clean latent [b n c] of one noisy frame [b n c]."""
    jump = torch.zeros_like(tau)[:, None]
    return network(frame[:, None], tau[:, None], jump, controls[:, None], cache)[:, 0]


def commit_all(network, cache, latents, tau, controls):
    for i in range(latents.shape[1]):
        network.commit(latents[:, i], tau[:, i], controls[:, i], cache)
    return cache


def fields(memory):
    return {f.name: getattr(memory, f.name) for f in dataclasses.fields(memory)}


def test_each_frame_is_the_uncached_one_also_after_the_ring_has_wrapped(network):
    latents, tau, controls = clip(frames=3 * WORLD.window)
    oracle = network(latents, tau, torch.zeros_like(tau), controls)
    cache = network.empty_cache(2)
    for i in range(latents.shape[1]):
        frame = latents[:, i], tau[:, i], controls[:, i]
        torch.testing.assert_close(look(network, cache, *frame), oracle[:, i], **CLOSE)
        network.commit(*frame, cache)


def test_without_a_finishing_look_a_frame_is_remembered_as_its_last_look_saw_it(network):
    """By two roads: looked at and kept, and committed as noisy as it was looked at."""
    latents, tau, controls = clip(frames=4)
    before = latents[:, :3], tau[:, :3], controls[:, :3]
    kept, told = (commit_all(network, network.empty_cache(2), *before) for _ in range(2))
    noisy, level = torch.randn_like(latents[:, 3]), torch.full_like(tau[:, 3], 0.85)
    with torch.no_grad():
        look(network, kept, noisy, level, controls[:, 3])
        network.commit(latents[:, 3], tau[:, 3], controls[:, 3], kept, finishing_look=False)
        network.commit(noisy, level, controls[:, 3], told)
    for name in ("keys", "values"):
        torch.testing.assert_close(*(fields(each.memory)[name] for each in (kept, told)))
    assert torch.equal(kept.memory.latent, latents[:, 3])  # the frame itself is the finished one
    assert kept.looked is None  # for the next frame another look has to come


def test_a_frame_without_a_look_is_looked_at_to_be_remembered(network):
    latents, tau, controls = clip(frames=2)
    finished, plain = network.empty_cache(2), network.empty_cache(2)
    frame = latents[:, 0], tau[:, 0], controls[:, 0]
    network.commit(*frame, finished, finishing_look=False)
    network.commit(*frame, plain)
    assert torch.equal(finished.memory.keys, plain.memory.keys)


def test_a_frame_noisier_than_it_was_committed_is_the_uncached_one_too(network):
    latents, tau, controls = clip(frames=9)
    cache = commit_all(network, network.empty_cache(2), latents[:, :8], tau[:, :8], controls[:, :8])
    for level in (0.0, 0.5, 0.9):
        tau[:, 8] = level
        oracle = network(latents, tau, torch.zeros_like(tau), controls)[:, 8]
        seen = look(network, cache, latents[:, 8], tau[:, 8], controls[:, 8])
        torch.testing.assert_close(seen, oracle, **CLOSE)


def test_players_of_different_age_share_a_batch(network):
    latents, tau, controls = clip(batch=3, frames=12)
    alone = []
    for player, age in enumerate((0, 3, 10)):  # empty, half full, wrapped twice
        one = slice(player, player + 1)
        past = latents[one, :age], tau[one, :age], controls[one, :age]
        alone.append(commit_all(network, network.empty_cache(), *past))
    together = join(alone)
    assert together.memory.count.tolist() == [0, 3, 10]
    for i in (10, 11):
        frame = latents[:, i], tau[:, i], controls[:, i]
        seen = look(network, together, *frame)
        for player, cache in enumerate(alone):
            own = [x[player : player + 1] for x in frame]
            torch.testing.assert_close(
                seen[player], look(network, cache, *own)[0], rtol=1e-4, atol=1e-4
            )
            network.commit(*own, cache)
        network.commit(*frame, together)


def test_looking_leaves_what_is_remembered_bit_identical(network):
    latents, tau, controls = clip(frames=8)
    cache = commit_all(network, network.empty_cache(2), latents[:, :6], tau[:, :6], controls[:, :6])
    before = {name: value.clone() for name, value in fields(cache.memory).items()}
    memory = cache.memory
    for level in (0.0, 0.3, 1.0):
        look(
            network, cache, torch.randn_like(latents[:, 6]), torch.full((2,), level), controls[:, 6]
        )
    assert cache.memory is memory
    assert all(torch.equal(before[name], value) for name, value in fields(memory).items())


def test_a_snapshot_brings_the_moment_back_exactly(network):
    latents, tau, controls = clip(frames=12)
    cache = commit_all(network, network.empty_cache(2), latents[:, :5], tau[:, :5], controls[:, :5])
    moment = latents[:, 5], tau[:, 5], controls[:, 5]
    then, saved = look(network, cache, *moment), cache.snapshot()
    commit_all(network, cache, latents[:, 5:], tau[:, 5:], controls[:, 5:])
    assert not torch.equal(look(network, cache, *moment), then)
    cache.restore(saved)
    assert torch.equal(look(network, cache, *moment), then)


def test_the_first_picture_of_all_is_remembered_however_long_it_goes_on(network):
    latents, tau, controls = clip(batch=1, frames=3 * WORLD.window)
    cache, pictures = network.empty_cache(), torch.rand(latents.shape[1], 1, 3, 16, 48)
    assert cache.memory.opening.shape == (1, 0)
    for i, picture in enumerate(pictures):
        network.commit(latents[:, i], tau[:, i], controls[:, i], cache, None, picture)
        assert torch.equal(cache.memory.opening, pictures[0])
        assert torch.equal(cache.memory.picture, picture)


def test_split_undoes_join(network):
    latents, tau, controls = clip(frames=6)
    cache = commit_all(network, network.empty_cache(2), latents, tau, controls)
    again = join(split(cache))
    for name, value in fields(cache.memory).items():
        assert torch.equal(getattr(again.memory, name), value), name


def test_slots_that_hold_no_frame_are_not_seen(network):
    """Mask by hand: a token of a slot is seen once a frame lies there, and the own frame always."""
    tokens, window = WORLD.tokens, WORLD.window
    for count in range(window + 2):
        cache = network.empty_cache()
        cache.restore(dataclasses.replace(cache.memory, count=torch.tensor([count])))
        seen = min(count, window) * tokens
        expected = [True] * seen + [False] * (window * tokens - seen) + [True] * tokens
        assert network.recall(cache)[0].mask.flatten().tolist() == expected


@pytest.mark.parametrize("windows", [2500, 250_000])
def test_frame_ten_thousand_is_frame_eight(network, windows):
    """The same past gives the same frame and takes the same room, however long one has played."""
    latents, tau, controls = clip(frames=9)
    cache = commit_all(network, network.empty_cache(2), latents[:, :8], tau[:, :8], controls[:, :8])
    moment = latents[:, 8], tau[:, 8], controls[:, 8]
    young, later = look(network, cache, *moment), windows * WORLD.window
    on = time_angles(torch.tensor([later], dtype=torch.float64), WORLD.head)
    keys = turned(cache.memory.keys, on.cos().float(), on.sin().float())  # of the same frames, then
    count = cache.memory.count + later
    cache.restore(dataclasses.replace(cache.memory, keys=keys, count=count))
    torch.testing.assert_close(look(network, cache, *moment), young, **CLOSE)
    room = {name: value.shape for name, value in fields(cache.memory).items()}
    network.commit(*moment, cache)
    assert {name: value.shape for name, value in fields(cache.memory).items()} == room

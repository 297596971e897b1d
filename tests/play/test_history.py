"""A newer version of a world goes on where the former one stood."""

import dataclasses

import numpy as np
import pytest
import tiny
import torch
from playing import SIZE, keys, play

from worldmodel.diffusion.rollout import prefill
from worldmodel.errors import UserError
from worldmodel.play.engine import Engine


def newer(engine, **changes):
    """The same world with other weights, as a run that goes on would leave it."""
    torch.manual_seed(5)
    world = engine.world
    network = tiny.stirred(type(world.network)(world.config.world)).eval().requires_grad_(False)
    network.rho.copy_(world.network.rho)
    changes = {"network": network, "trained": 200, "key": "newer"} | changes
    return Engine(dataclasses.replace(world, **changes))


def same_memory(a, b):
    return all(torch.equal(x, vars(b)[name]) for name, x in vars(a).items())


def test_the_past_has_the_frames_that_are_remembered(either):
    start = len(either.past)
    assert start == min(either.world.network.config.window, len(either.scene.frames))
    controls = keys(9)
    frames = play(either, controls)
    window = either.world.network.config.window
    assert len(either.past) == window
    for kept, frame, control in zip(either.past, frames[-window:], controls[-window:], strict=True):
        assert np.array_equal(kept.picture, frame)
        assert np.array_equal(kept.controls.numpy(), control)


def test_a_newer_world_remembers_the_frames_as_if_they_were_its_own(either):
    play(either, keys(9))
    other = newer(either)
    other.restore(either.snapshot())
    network, carrier = other.world.network, other.world.carrier
    cache = network.empty_cache()
    with torch.inference_mode():
        latents = torch.stack([frame.latent for frame in either.past])
        controls = torch.stack([frame.controls for frame in either.past])
        shown = torch.from_numpy(np.stack([frame.picture for frame in either.past]))
        pictures = carrier and carrier.real(shown[None])
        prefill(network, cache, latents[None], controls[None], carrier, pictures)
    assert same_memory(cache.memory, other.cache.memory)
    assert torch.equal(other.cache.memory.latent, either.cache.memory.latent)
    assert not torch.equal(other.cache.memory.keys, either.cache.memory.keys)
    now = other.scene.name, other.seed, other.frame_index, other.settings
    assert now == (either.scene.name, either.seed, either.frame_index, either.settings)


def test_in_the_same_world_a_snapshot_is_restored_as_it_was(either):
    play(either, keys(5))
    other = Engine(either.world)
    other.restore(either.snapshot())
    assert other.cache.memory is not None and same_memory(other.cache.memory, either.cache.memory)
    assert np.array_equal(play(other, keys(3, seed=2)), play(either, keys(3, seed=2)))


def test_another_tokenizer_sees_the_pictures(engine):
    play(engine, keys(6))
    torch.manual_seed(6)
    tokenizer = tiny.tokenizer().requires_grad_(False)
    config = dataclasses.replace(engine.world.config, tokenizer_hash="another")
    other = newer(engine, tokenizer=tokenizer, config=config)
    other.restore(engine.snapshot())
    with torch.inference_mode():
        last = tokenizer.encode(torch.from_numpy(engine.past[-1].picture)[None])
    torch.testing.assert_close(other.cache.memory.latent, last)


def test_going_on_changes_what_follows_and_nothing_that_was(engine):
    controls = keys(4, seed=3)
    play(engine, keys(6))
    moment = engine.snapshot()
    expected = play(engine, controls)
    other = newer(engine)
    other.restore(moment)
    assert not np.array_equal(play(other, controls), expected)
    engine.restore(moment)
    assert np.array_equal(play(engine, controls), expected)


def test_a_world_of_other_controls_is_refused_in_a_sentence(engine):
    space = dataclasses.replace(engine.controls, buttons=(*engine.controls.buttons, "fly"))
    other = newer(engine, config=dataclasses.replace(engine.world.config, controls=space))
    with pytest.raises(UserError, match=f"frames of {SIZE[1]}x{SIZE[0]} and 7 controls") as error:
        other.restore(engine.snapshot())
    assert "\n" not in str(error.value)

"""Rewrites for speed compute what the plain model computes, over whole rollouts."""

import dataclasses

import numpy as np
import pytest
import tiny
import torch
from playing import keys, play

from worldmodel.errors import UserError
from worldmodel.model.cache import join
from worldmodel.play import speed
from worldmodel.play.engine import Engine, load_engine, step_together
from worldmodel.play.lean import KEPT, LeanWorld
from worldmodel.play.packed import Conv, Linear, fold, gather, spread
from worldmodel.play.speed import Networks, choose, difference, fastest, put_on, trial
from worldmodel.play.world import context_of

STOCHASTIC = {"steps": 3, "guidance": 1.5, "context_noise": 0.05, "sampler": "renoise"}


@pytest.fixture
def world(folder):
    """A world of its own, as rewrites are put on its networks."""
    return load_engine(folder, speed="plain").world


@pytest.fixture
def moving(moving_folder):
    return load_engine(moving_folder, speed="plain").world


def nets(world):
    return Networks(world.network, world.tokenizer, world.motion)


def rollout(world, name, frames=32, scene=0, **settings):
    """Latents [t n c] and frames [t h w 3] of an engine at a speed."""
    put_on(nets(world), name)
    engine, latents, shown = Engine(world), [], []
    engine.settings = dataclasses.replace(engine.settings, **settings)
    engine.reset(world.scenes[scene], seed=1)
    for control in keys(frames, seed=3):
        shown.append(engine.step(control))
        latents.append(engine.cache.memory.latent[0])
    return torch.stack(latents), np.stack(shown)


@pytest.mark.parametrize("scene", [0, 1])  # the second does not fill the ring at first
def test_lean_is_plain_over_a_whole_rollout(world, scene):
    plain, lean = (rollout(world, name, scene=scene) for name in ("plain", "lean"))
    torch.testing.assert_close(lean[0], plain[0], rtol=1e-3, atol=1e-3)
    assert np.abs(lean[1].astype(int) - plain[1]).max() <= 1


def test_lean_moves_the_picture_as_plain_does(moving):
    plain, lean = (rollout(moving, name) for name in ("plain", "lean"))
    torch.testing.assert_close(lean[0], plain[0], rtol=1e-3, atol=1e-3)
    assert np.abs(lean[1].astype(int) - plain[1]).max() <= 1
    half = rollout(moving, "lean-bf16", 8)
    assert difference(half[1], plain[1][:8]) < 3
    again = rollout(moving, "plain", 4)
    assert torch.equal(again[0], plain[0][:4])


def test_lean_knows_all_settings(world):
    plain, lean = (rollout(world, name, 8, **STOCHASTIC) for name in ("plain", "lean"))
    torch.testing.assert_close(lean[0], plain[0], rtol=1e-3, atol=1e-3)


def test_bfloat16_stays_near_plain(world):
    plain, half = (rollout(world, name, 8) for name in ("plain", "lean-bf16"))
    assert difference(half[1], plain[1]) < 3


def test_lean_players_of_different_age_share_a_batch(world):
    put_on(nets(world), "lean")
    players = [Engine(world), Engine(world)]
    for player, scene in zip(players, world.scenes, strict=True):
        player.reset(scene, seed=2)
    alone = [player.fork() for player in players]
    for control in keys(6):
        together = step_together(players, [control, 1 - control])
        single = [alone[0].step(control), alone[1].step(1 - control)]
        assert np.abs(np.stack(together).astype(int) - np.stack(single)).max() <= 1


def test_lean_replays_to_the_bit_though_modulations_are_kept_and_forgotten(world):
    put_on(nets(world), "lean")
    engine, controls = Engine(world), keys(KEPT // 2)
    engine.reset(world.scenes[0], seed=4)
    once = play(engine, controls)
    engine.reset(world.scenes[0], seed=4)
    assert np.array_equal(play(engine, controls), once)
    lean = world.network.predict.__self__
    assert len(lean._conditions) == KEPT


def test_a_lean_look_leaves_the_past_bit_identical(world):
    network = world.network
    lean, cache = LeanWorld(network, torch.float32), network.empty_cache()
    with torch.inference_mode():
        for _ in range(6):
            network.commit(torch.randn(1, tiny.LATENTS, 4), torch.ones(1), torch.zeros(1, 6), cache)
        cache = join([cache])
        before = {n: v.clone() for n, v in vars(cache.memory).items()}
        level, last = torch.zeros(1, 1), cache.memory
        told = last.latent[:, None], last.tau[:, None], last.controls[:, None]
        frame = torch.randn(1, 1, tiny.LATENTS, 4)
        for _ in range(2):
            lean.predict(frame, level, level, torch.ones(1, 1, 6), told, lean.recall(cache))
    assert all(torch.equal(v, before[n]) for n, v in vars(cache.memory).items())


def test_taking_a_rewrite_off_gives_the_plain_functions_back(world):
    plain = rollout(world, "plain", 4)
    rollout(world, "lean-bf16", 4)
    again = rollout(world, "plain", 4)
    assert torch.equal(plain[0], again[0]) and np.array_equal(plain[1], again[1])


def test_layers_without_packing_are_the_same_layers(monkeypatch):
    linear, conv = torch.nn.Linear(6, 4), torch.nn.Conv2d(8, 8, 3, padding=1)
    x, y = torch.randn(1, 5, 6), torch.randn(2, 8, 4, 6)
    with torch.inference_mode():
        packed = Linear(linear, torch.float32), Conv(conv, torch.float32, (4, 6))
        monkeypatch.setattr("worldmodel.play.packed.can_pack", lambda weight: False)
        loose = Linear(linear, torch.float32), Conv(conv, torch.float32, (4, 6))
        for one, other in ((packed, loose), (loose, packed)):
            torch.testing.assert_close(one[0](x), linear(x))
            torch.testing.assert_close(one[1](y), conv(y))
            torch.testing.assert_close(one[1].relu(y), conv(y).relu())
            torch.testing.assert_close(one[1].plus(y, y), other[1].plus(y, y))
        torch.testing.assert_close(packed[1].plus(y, y), conv(y) + y)


def test_folding_and_spreading_is_a_pixel_shuffle():
    x = torch.randn(1, 12, 2, 3)  # (f p q) = (3 2 2)
    folded = fold(x, 2, dim=1).permute(0, 2, 3, 1)
    shuffled = torch.nn.functional.pixel_shuffle(x, 2)
    assert torch.equal(spread(folded, 2), shuffled)
    assert torch.equal(gather(shuffled, 2).permute(0, 2, 3, 1), folded)


def test_auto_takes_the_fastest(world, monkeypatch):
    seconds = {"plain": 0.03, "lean": 0.02, "lean-bf16": 0.01}
    measured = iter(seconds.values())
    monkeypatch.setattr(
        speed, "trial", lambda *args: dataclasses.replace(real, seconds=next(measured))
    )
    context = context_of(world, world.scenes[0])
    real = trial(nets(world), context)
    chosen = choose(nets(world), "auto", context)
    assert chosen.name == "lean-bf16" and chosen.measured == seconds
    assert isinstance(world.network.predict.__self__, LeanWorld)


def test_bfloat16_must_clearly_win():
    assert fastest({"plain": 3, "lean": 2, "lean-bf16": 1.9}) == "lean"
    assert fastest({"plain": 3, "lean": 2, "lean-bf16": 1.5}) == "lean-bf16"
    assert fastest({"plain": 3}) == "plain"


def test_a_rewrite_that_strays_is_refused_by_name_and_passed_over_by_auto(world, monkeypatch):
    monkeypatch.setattr(speed, "FARTHEST", {"lean": -1.0, "lean-bf16": -1.0})
    context = context_of(world, world.scenes[0])
    with pytest.raises(UserError, match=r"'lean' cannot be had: lean strays 0\.\d+ grey levels"):
        choose(nets(world), "lean", context)
    assert choose(nets(world), "auto", context).name == "plain"
    assert "predict" not in vars(world.network)


def test_a_machine_that_lacks_an_operation_says_so(world, monkeypatch):
    def missing(*args):
        raise RuntimeError("no bfloat16 here\nand a long trace")

    monkeypatch.setattr(speed, "LeanDecoder", missing)
    context = context_of(world, world.scenes[0])
    with pytest.raises(UserError, match=r"does not run here \(no bfloat16 here\)"):
        choose(nets(world), "lean-bf16", context)

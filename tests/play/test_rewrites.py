"""Rewrites for speed compute what the plain model computes, over whole rollouts."""

import dataclasses
import sys

import numpy as np
import pytest
import torch
from playing import keys, play

from worldmodel.errors import UserError
from worldmodel.play import speed
from worldmodel.play.engine import Engine, load_engine, step_together
from worldmodel.play.graph import Graph
from worldmodel.play.speed import Networks, choose, difference, fastest, put_on, trial
from worldmodel.play.world import context_of

pytest.importorskip("openvino")
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
def test_openvino_is_plain_over_a_whole_rollout(world, scene):
    plain, fast = (rollout(world, name, scene=scene) for name in ("plain", "openvino"))
    torch.testing.assert_close(fast[0], plain[0], rtol=1e-3, atol=1e-3)
    assert np.abs(fast[1].astype(int) - plain[1]).max() <= 1


def test_openvino_moves_the_picture_as_plain_does(moving):
    plain, fast = (rollout(moving, name) for name in ("plain", "openvino"))
    torch.testing.assert_close(fast[0], plain[0], rtol=1e-3, atol=1e-3)
    assert np.abs(fast[1].astype(int) - plain[1]).max() <= 1
    half = rollout(moving, "openvino-bf16", 8)
    assert difference(half[1], plain[1][:8]) < 3
    again = rollout(moving, "plain", 4)
    assert torch.equal(again[0], plain[0][:4])


def test_openvino_knows_all_settings(world):
    plain, fast = (rollout(world, name, 8, **STOCHASTIC) for name in ("plain", "openvino"))
    torch.testing.assert_close(fast[0], plain[0], rtol=1e-3, atol=1e-3)


def test_bfloat16_stays_near_plain(world):
    plain, half = (rollout(world, name, 8) for name in ("plain", "openvino-bf16"))
    assert difference(half[1], plain[1]) < 3


def test_players_of_different_age_step_together(world):
    put_on(nets(world), "openvino")
    players = [Engine(world), Engine(world)]
    for player, scene in zip(players, world.scenes, strict=True):
        player.reset(scene, seed=2)
    alone = [player.fork() for player in players]
    for control in keys(6):
        together = step_together(players, [control, 1 - control])
        single = [alone[0].step(control), alone[1].step(1 - control)]
        assert np.array_equal(np.stack(together), np.stack(single))


def test_openvino_replays_to_the_bit(world):
    put_on(nets(world), "openvino")
    engine, controls = Engine(world), keys(12)
    engine.reset(world.scenes[0], seed=4)
    once = play(engine, controls)
    engine.reset(world.scenes[0], seed=4)
    assert np.array_equal(play(engine, controls), once)


def test_what_a_graph_returned_stays_when_it_runs_again():
    graph = Graph(lambda x: (2 * x, x + 1), "f32")
    double, more = graph(torch.ones(1, 3))
    graph(torch.zeros(1, 3))
    assert double.tolist() == [[2, 2, 2]] and more.tolist() == [[2, 2, 2]]
    assert graph(torch.arange(6.0).view(2, 3))[0].tolist() == [[0, 2, 4], [6, 8, 10]]


def test_a_fast_look_leaves_the_past_bit_identical(world):
    put_on(nets(world), "openvino")
    engine = Engine(world)
    engine.reset(world.scenes[0], seed=0)
    cache, network = engine.cache, world.network
    before = {n: v.clone() for n, v in vars(cache.memory).items()}
    frame, level = torch.randn_like(cache.memory.latent)[:, None], torch.zeros(1, 1)
    with torch.inference_mode():
        for _ in range(2):
            network(frame, level, level, torch.ones(1, 1, 6), cache)
    assert all(torch.equal(v, before[n]) for n, v in vars(cache.memory).items())


def test_taking_a_rewrite_off_gives_the_plain_functions_back(world):
    plain = rollout(world, "plain", 4)
    rollout(world, "openvino-bf16", 4)
    again = rollout(world, "plain", 4)
    assert torch.equal(plain[0], again[0]) and np.array_equal(plain[1], again[1])


@pytest.mark.parametrize(
    ("seconds", "best"),
    [
        ({"plain": 0.03, "openvino-bf16": 0.01}, "openvino-bf16"),  # need not try float32
        ({"plain": 0.03, "openvino-bf16": 0.018, "openvino": 0.03}, "openvino-bf16"),
        ({"plain": 0.03, "openvino-bf16": 0.018, "openvino": 0.019}, "openvino"),
        ({"plain": 0.03, "openvino-bf16": 0.04, "openvino": 0.04}, "plain"),
    ],
)
def test_auto_takes_the_fastest(seconds, best, world, monkeypatch):
    measured = iter(seconds.values())
    context = context_of(world, world.scenes[0])
    real = trial(nets(world), context)
    monkeypatch.setattr(
        speed, "trial", lambda *args: dataclasses.replace(real, seconds=next(measured))
    )
    chosen = choose(nets(world), "auto", context)
    assert chosen.name == best and chosen.measured == seconds
    assert ("predict" in vars(world.network)) == (best != "plain")


def test_bfloat16_must_clearly_win():
    assert fastest({"plain": 3, "openvino": 2, "openvino-bf16": 1.9}) == "openvino"
    assert fastest({"plain": 3, "openvino": 2, "openvino-bf16": 1.5}) == "openvino-bf16"
    assert fastest({"plain": 3}) == "plain"


def test_a_rewrite_that_strays_is_refused_by_name_and_passed_over_by_auto(world, monkeypatch):
    monkeypatch.setattr(speed, "FARTHEST", {"openvino": -1.0, "openvino-bf16": -1.0})
    context = context_of(world, world.scenes[0])
    strays = r"'openvino' cannot be had: openvino strays 0\.\d+ grey levels"
    with pytest.raises(UserError, match=strays):
        choose(nets(world), "openvino", context)
    assert choose(nets(world), "auto", context).name == "plain"
    assert "predict" not in vars(world.network)


def test_a_machine_without_openvino_plays_plain_and_says_why_a_named_speed_is_not_there(
    world, monkeypatch
):
    monkeypatch.setitem(sys.modules, "openvino", None)
    context = context_of(world, world.scenes[0])
    with pytest.raises(UserError, match=r"'openvino' cannot be had: openvino does not run here"):
        choose(nets(world), "openvino", context)
    assert choose(nets(world), "auto", context).name == "plain"

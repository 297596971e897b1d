"""Rewrites for speed compute what the plain model computes, over whole rollouts."""

import dataclasses
import sys

import numpy as np
import pytest
import torch
from playing import keys, play, save_world

from worldmodel.errors import UserError
from worldmodel.model.carrier import Carrier
from worldmodel.play import speed
from worldmodel.play.engine import Engine, load_engine, step_together
from worldmodel.play.graph import Graph, compiled
from worldmodel.play.speed import (
    FARTHEST,
    TRIAL,
    Networks,
    Speed,
    choose,
    difference,
    fastest,
    put_on,
    trial,
)
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
    return Networks(world.network, world.tokenizer, world.motion, world.outpainter)


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


@pytest.fixture
def keeping(tmp_path):
    """A world that keeps what is off-screen, and dreams there."""
    folder = save_world(tmp_path / "keeping", moving=True, offscreen=(2, 3), outpainter=True)
    return load_engine(folder, speed="plain").world


@pytest.fixture
def holding(tmp_path):
    """A world whose walls hold the player."""
    folder = save_world(tmp_path / "holding", moving=True, offscreen=(2, 3), contact=(0, 8, 16, 32))
    world = load_engine(folder, speed="plain").world
    world.motion.contact.layers[-1].bias.data.add_(3.0)  # pixels: it is felt
    return world


@pytest.mark.parametrize("kind", ["moving", "keeping", "holding"])
def test_openvino_moves_the_picture_as_plain_does(kind, request):
    moving = request.getfixturevalue(kind)
    plain, fast = (rollout(moving, name) for name in ("plain", "openvino"))
    torch.testing.assert_close(fast[0], plain[0], rtol=1e-3, atol=1e-3)
    assert np.abs(fast[1].astype(int) - plain[1]).max() <= 1
    half = rollout(moving, "openvino-bf16", TRIAL)
    assert difference(half[1], plain[1][:TRIAL]) < FARTHEST["openvino-bf16"]
    again = rollout(moving, "plain", 4)
    assert torch.equal(again[0], plain[0][:4])


def test_openvino_knows_all_settings(world):
    plain, fast = (rollout(world, name, 8, **STOCHASTIC) for name in ("plain", "openvino"))
    torch.testing.assert_close(fast[0], plain[0], rtol=1e-3, atol=1e-3)


def test_bfloat16_stays_near_plain(world):
    plain, half = (rollout(world, name, 8) for name in ("plain", "openvino-bf16"))
    assert difference(half[1], plain[1]) < 3


@pytest.fixture
def crowd(moving):
    """Three players of different ages, and the same three once more."""
    put_on(nets(moving), "openvino")
    players = []
    for scene, seed in ((0, 2), (1, 2), (0, 3)):
        players.append(Engine(moving))
        players[-1].reset(moving.scenes[scene], seed)
    yield players, [player.fork() for player in players]
    compiled()


def together_and_alone(crowd, count=6):
    """Frames [t p h w 3] of the players as one batch, and of each by himself."""
    players, alone = crowd
    shown = []
    for control in keys(count):
        controls = [control, 1 - control, control]
        single = [player.step(c) for player, c in zip(alone, controls, strict=True)]
        shown.append((step_together(players, controls), single))
    return (np.stack(each).astype(int) for each in zip(*shown, strict=True))


def test_a_batch_shows_each_player_what_he_would_see_alone(crowd, monkeypatch):
    players, _ = crowd
    with monkeypatch.context() as patch:  # before the graphs of a batch are there: to the bit
        patch.setattr(Graph, "_prepare", lambda *args: None)
        together, single = together_and_alone(crowd, 2)
    assert np.array_equal(together, single)
    moments = [player.snapshot() for player in players]
    step_together(players, list(keys(3)))  # asks for the graphs
    compiled()
    for player, moment in zip(players, moments, strict=True):
        player.restore(moment)
    together, single = together_and_alone(crowd, 12)
    graph = players[0].world.network.predict.__self__._predict
    assert set(graph.requests) == {1, 2}  # three are two and one
    assert np.abs(together - single).max() <= 1
    latents = [torch.cat([p.cache.memory.latent for p in each]) for each in crowd]
    torch.testing.assert_close(latents[0], latents[1], rtol=1e-3, atol=1e-3)


def test_a_batch_that_strays_is_refused():
    graph = Graph(lambda x: (x * len(x),), "f32")  # wrong: a player's result depends on the others
    graph(torch.ones(2, 3))
    compiled()
    with pytest.raises(RuntimeError, match="a batch of 2 strays by 1"):
        graph(torch.ones(2, 3))


def test_any_number_of_players_is_made_of_batches():
    graph = Graph(lambda x: (x + 1,), "f32")
    rows = torch.arange(21.0).view(7, 3)
    assert torch.equal(graph(rows)[0], rows + 1) and set(graph.requests) == {1}
    compiled()
    assert torch.equal(graph(rows)[0], rows + 1) and set(graph.requests) == {1, 4}
    graph(rows[:2])
    compiled()
    assert torch.equal(graph(rows)[0], rows + 1) and set(graph.requests) == {1, 2, 4}


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


@pytest.mark.parametrize("size", [3, 100_000])
def test_a_graph_sees_what_its_inputs_hold_now(size):
    """Small inputs are copied, large ones are read where they lie; both may change or move."""
    graph = Graph(lambda x, y: (x + y,), "f32")
    first, second = torch.ones(1, size), torch.zeros(1, size)
    assert (graph(first, second)[0] == 1).all()
    second += 2
    assert (graph(first, second)[0] == 3).all()
    assert (graph(second, torch.full((size, 1), 5.0).T)[0] == 7).all()


@pytest.mark.parametrize("size", [3, 100_000])
def test_a_graph_may_be_given_first_what_lies_in_another_order(size):
    graph = Graph(lambda x: (x + 1,), "f32")
    turned = torch.arange(3.0 * size).view(1, size, 3).mT  # as pictures whose channels come last
    for _ in range(2):
        assert torch.equal(graph(turned)[0], turned + 1)


def test_beside_openvino_pytorch_has_one_thread(moving, monkeypatch):
    threads, seen = torch.get_num_threads(), []
    carry = Carrier.carry

    def watched(self, *given):
        seen.append(torch.get_num_threads())
        return carry(self, *given)

    monkeypatch.setattr(Carrier, "carry", watched)
    for name in ("plain", "openvino"):
        put_on(nets(moving), name)
        engine = Engine(dataclasses.replace(moving, speed=Speed(name)))
        engine.reset(moving.scenes[0], seed=0)
        seen.clear()
        engine.step(keys(1)[0])
        assert seen == [threads if name == "plain" else 1]
        assert torch.get_num_threads() == threads


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


def test_what_a_graph_lends_lies_where_its_next_run_writes():
    graph = Graph(lambda x: (2 * x, x + 1), "f32", lent=(1,))
    double, more = graph(torch.ones(1, 3))
    graph(torch.zeros(1, 3))
    assert double.tolist() == [[2, 2, 2]] and more.tolist() == [[1, 1, 1]]

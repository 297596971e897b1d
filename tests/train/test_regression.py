"""The yardstick: it learns what squared error rewards, and noise does not reach its answer."""

import json

import torch
from tiny import TOKENIZER, clip, quick, stirred, world

from worldmodel.checkpoint import load_checkpoint, load_network
from worldmodel.diffusion.rollout import next_frame, prefill
from worldmodel.model.transformer import WorldConfig, WorldTransformer
from worldmodel.train.objectives.own_past import own_past
from worldmodel.train.objectives.rectified_flow import FlowConfig
from worldmodel.train.objectives.regression import ONE_LOOK, answer
from worldmodel.train.stages import REGRESSION, train_regression, train_tokenizer


def test_what_is_asked_for_is_not_shown():
    """The answer at level 0 does not depend on the frame there, though that on others does."""
    network, draw = world(), torch.Generator().manual_seed(0)
    clean, _, controls = clip(batch=1, frames=5)
    tau = torch.tensor([[1.0, 1.0, 0.0, 1.0, 0.0]])
    first = answer(network, clean, controls, [], tau, draw)
    other = clean.clone()
    other[:, 2] += 1
    other[:, 4] -= 1
    draw = torch.Generator().manual_seed(0)
    second = answer(network, other, controls, [], tau, draw)
    assert torch.allclose(first[:, [2, 4]], second[:, [2, 4]], atol=1e-5)


def test_its_answer_in_training_is_that_in_play():
    """The last of a clip's frames, asked for at once and after a cache has seen the others."""
    network = world()
    clean, _, controls = clip(batch=2, frames=4)
    tau = torch.tensor([[1.0, 1.0, 1.0, 0.0]]).expand(2, -1)
    at_once = answer(network, clean, controls, [], tau, torch.Generator().manual_seed(0))
    cache = network.empty_cache(2)
    prefill(network, cache, clean[:, :3], controls[:, :3])
    blank = torch.zeros_like(clean[:, 0])
    played = next_frame(network, cache, controls[:, 3], blank, times=ONE_LOOK)
    assert torch.allclose(at_once[:, 3], played, atol=1e-4)


@torch.no_grad()
def test_a_past_of_its_own_is_what_it_answers_at_zeros():
    """Every second frame at one look from zeros; the frames between stay."""
    network = world()
    clean, _, controls = clip(batch=2, frames=6)
    draw = torch.Generator().manual_seed(0)
    own, _, dreamed = own_past(network, None, clean, controls, [], 1, 0.0, draw, blank=True)
    tau = (~dreamed).float().expand(2, -1)
    zeros = torch.where(dreamed[:, None, None], 0.0, clean)
    guess = network(zeros, tau, torch.zeros_like(tau), controls)
    assert torch.allclose(own[:, dreamed], guess[:, dreamed], atol=1e-5)
    assert torch.equal(own[:, ~dreamed], clean[:, ~dreamed])


def test_the_gradient_reaches_every_weight_that_sees_something():
    network = stirred(world())
    clean, _, controls = clip(batch=2, frames=6)
    tau = torch.tensor([[1.0, 0.0, 0.95, 0.0, 1.0, 0.0]]).expand(2, -1)
    draw = torch.Generator().manual_seed(0)
    answer(network, clean, controls, [], tau, draw)[tau == 0].square().mean().backward()
    idle = {n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()}
    assert idle == {"unknown"}  # what stands for hidden keys


def test_a_run_learns_and_ends_with_a_checkpoint(arrays, tmp_path):
    tokenizer = train_tokenizer(arrays, tmp_path / "tokens", TOKENIZER, quick(steps=4))
    small = WorldConfig(width=16, depth=2, heads=2, dense=(1,), window=3, features=8)
    given = arrays, tmp_path / "tokens", tmp_path / "run", small
    train_regression(*given, quick(steps=40), FlowConfig(clip=6))
    found = load_checkpoint(tmp_path / "run" / "checkpoint")
    assert found.config.play.steps == 1 and found.config.play.warm_start == 0
    assert found.tokenizer.config == tokenizer.config
    alone = load_network(tmp_path / "run" / REGRESSION, WorldTransformer, WorldConfig)
    assert alone.config == found.network.config
    assert torch.equal(alone.head_out.weight, found.network.head_out.weight)
    rows = [*map(json.loads, (tmp_path / "run" / "log.jsonl").read_text().splitlines())]
    losses = [row["loss"] for row in rows if "loss" in row]
    assert sum(losses[-4:]) < 0.95 * sum(losses[:4])
    (heldout,) = (row["heldout"] for row in rows if "heldout" in row)
    assert {"next_psnr", "over_repeat"} == set(heldout)

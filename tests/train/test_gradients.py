"""One update's gradient by several roads: whole, in parts, with activations computed again."""

import pytest
import torch
from tiny import clip, quick, tokenizer, world

from worldmodel.errors import UserError
from worldmodel.train.gradients import Gradients, gradient_norm, recompute_blocks, without_noise


class Rows:
    """The mean over rows of a fixed batch, in as many parts as one likes."""

    def __init__(self, parts):
        self.parts, self.frames_per_step = parts, 8 // parts
        latents, tau, controls = clip(batch=8, frames=5)
        self.whole = latents, tau, controls
        self.seen = []

    def batch(self, step):
        self.seen.append(step)
        size, part = 8 // self.parts, step % self.parts
        return tuple(tensor[part * size : (part + 1) * size] for tensor in self.whole)

    def loss(self, network, batch, step):
        latents, tau, controls = batch
        guess = network(latents, tau, torch.zeros_like(tau), controls)
        loss = (guess - latents).square().mean()
        return loss, {"root": loss.detach().sqrt()}


def gradients(parts, recompute=False):
    torch.manual_seed(0)
    network = world()
    torch.manual_seed(1)
    objective = Rows(parts)
    if recompute:
        recompute_blocks(network)
    config = quick(batch=8, accumulate=parts, bf16=False)
    values = Gradients(network, objective, config)(step=2)
    return network, values, objective


def named(network):
    return {name: p.grad for name, p in network.named_parameters()}


@pytest.mark.parametrize("parts", [2, 4])
def test_parts_have_the_gradient_of_the_whole(parts):
    (one, its_values, _), (other, values, objective) = gradients(1), gradients(parts)
    assert objective.seen == list(range(2 * parts, 3 * parts))
    torch.testing.assert_close(values["loss"], its_values["loss"])
    for name, gradient in named(one).items():
        torch.testing.assert_close(named(other)[name], gradient, rtol=1e-4, atol=1e-6, msg=name)
    torch.testing.assert_close(gradient_norm(other), gradient_norm(one))


def test_other_figures_are_means_over_parts():
    _, values, objective = gradients(2)
    roots = []
    for part in range(2):
        torch.manual_seed(0)
        roots.append(objective.loss(world(), objective.batch(part), part)[1]["root"])
    torch.testing.assert_close(values["root"], torch.stack(roots).mean())


@pytest.mark.parametrize("bf16", [False, True])
def test_activations_computed_again_give_the_same_gradient_to_the_bit(bf16):
    torch.manual_seed(0)
    found = []
    for recompute in (False, True):
        torch.manual_seed(0)
        network = world()
        torch.manual_seed(1)
        objective = Rows(1)
        if recompute:
            recompute_blocks(network)
        with without_noise():
            Gradients(network, objective, quick(batch=8, bf16=bf16))(step=0)
        found.append(named(network))
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])


class Counted(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.calls, self.weight = 0, torch.nn.Parameter(torch.ones(1))

    def forward(self, x):
        self.calls += 1
        return torch.tanh(x * self.weight)


def test_recomputing_costs_one_more_forward_pass():
    network = torch.nn.Module()
    network.blocks = torch.nn.ModuleList([Counted(), Counted()])
    recompute_blocks(network)
    x = torch.ones(1)
    for block in network.blocks:
        x = block(x)
    assert [block.calls for block in network.blocks] == [1, 1]
    x.backward()
    assert [block.calls for block in network.blocks] == [2, 2]


def test_a_batch_that_does_not_split_is_refused_in_a_sentence():
    with pytest.raises(UserError, match=r"accumulate must divide the batch of 8 .* found 3"):
        quick(batch=8, accumulate=3)


def test_an_objective_sees_parts_as_its_steps():
    part = quick(steps=10, batch=8, accumulate=4).parts()
    assert (part.steps, part.batch, part.accumulate) == (40, 2, 1)
    assert [part.first_part(step) for step in (0, 3, 4, 7, 39)] == [0, 0, 4, 4, 36]


def test_shards_without_ranks_are_refused_in_a_sentence(tmp_path):
    from test_training_loop import Interrupted

    from worldmodel.train.loop import train

    with pytest.raises(UserError, match="start it with torchrun or leave --shard out"):
        train(tokenizer(), Interrupted(), quick(shard=True), tmp_path)

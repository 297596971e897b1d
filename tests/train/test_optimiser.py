"""Every weight learns by exactly one rule."""

import pytest
import torch
from tiny import quick, world

from worldmodel.train.muon import Muon
from worldmodel.train.optimiser import make_optimisers, set_rate


def parameters(optimiser):
    return {id(p) for group in optimiser.param_groups for p in group["params"]}


def test_adamw_takes_everything_unless_asked():
    network = world()
    (only,) = make_optimisers(network, quick())
    assert parameters(only) == {id(p) for p in network.parameters()}


def test_muon_takes_the_matrices_of_the_blocks_and_nothing_else():
    network = world()
    adamw, muon = make_optimisers(network, quick(muon=True))
    assert not parameters(adamw) & parameters(muon)
    assert parameters(adamw) | parameters(muon) == {id(p) for p in network.parameters()}
    names = {name for name, p in network.named_parameters() if id(p) in parameters(muon)}
    matrices = ("qkv.weight", "out.weight", "up.weight", "down.weight")
    assert names == {f"blocks.{i}.{matrix}" for i in range(3) for matrix in matrices}


def test_the_rate_is_shared_out():
    optimisers = make_optimisers(world(), quick(muon=True, muon_scale=3.0))
    set_rate(optimisers, 0.01)
    rates = [group["lr"] for optimiser in optimisers for group in optimiser.param_groups]
    assert rates == pytest.approx([0.01, 0.03])


def test_a_scale_of_one_moves_matrices_and_vectors_alike():
    network = world()
    before = [p.clone() for p in network.parameters()]
    for p in network.parameters():
        p.grad = torch.randn_like(p)
    optimisers = make_optimisers(network, quick(muon=True, muon_scale=1.0))
    set_rate(optimisers, 1e-3)
    for optimiser in optimisers:
        optimiser.step()
    pairs = zip(network.parameters(), before, strict=True)
    moved = [(a - b).square().mean().sqrt() for a, b in pairs]
    assert min(moved) > 0.1e-3 and max(moved) < 3e-3


def test_muon_goes_as_pytorchs_does_and_from_its_state():
    """By two roads, up to the bfloat16 that PyTorch iterates in; matrices wide, tall and square."""
    shapes = ((8, 24), (24, 8), (8, 8), (24, 8))
    drawn = [torch.randn(shape) for shape in shapes]
    ours, theirs = ([p.clone().requires_grad_() for p in drawn] for _ in range(2))
    own = Muon(ours, lr=0.1, weight_decay=0.5)
    pytorchs = torch.optim.Muon(theirs, lr=0.1, weight_decay=0.5, adjust_lr_fn="match_rms_adamw")
    for _ in range(3):
        for a, b in zip(ours, theirs, strict=True):
            a.grad = torch.randn_like(a)
            b.grad = a.grad.clone()
        own.step()
        pytorchs.step()
    moved = max(float((p - q).detach().abs().max()) for p, q in zip(ours, drawn, strict=True))
    for a, b in zip(ours, theirs, strict=True):
        assert float((a - b).detach().abs().max()) < 0.05 * moved
    own.load_state_dict(pytorchs.state_dict())
    assert torch.equal(
        own.state[ours[1]]["momentum_buffer"], pytorchs.state[theirs[1]]["momentum_buffer"]
    )

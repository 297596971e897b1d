"""A critic beside the world: who learns from what, and that a mean does not fool it."""

import pytest
import torch
from coins import CLIPS, FRAMES, Coins
from tiny import LATENTS, MOTION, MOVING_WORLD, WORLD, motion, quick, tokenizer, world

from worldmodel.model.carrier import Carrier
from worldmodel.model.critic import Critic, CriticConfig
from worldmodel.train.objectives.adversarial import Adversarial, AdversarialConfig, WithCritic
from worldmodel.train.objectives.critics import paired_loss
from worldmodel.train.objectives.played import known_places
from worldmodel.train.optimiser import make_optimisers

CRITIC = CriticConfig(grid=WORLD.grid, latent_channels=WORLD.latent_channels, features=16, blocks=1)


@pytest.fixture
def carrier():
    return Carrier(motion().requires_grad_(False), tokenizer().requires_grad_(False))


def pair():
    torch.manual_seed(0)
    return WithCritic(world(MOVING_WORLD).train(), Critic(CRITIC))


def objective(carrier, **changes):
    return Adversarial(Coins(), carrier, AdversarialConfig(**changes))


def touched(module):
    return {name for name, p in module.named_parameters() if p.grad is not None and p.grad.any()}


def test_the_critics_loss_does_not_reach_the_world():
    torch.manual_seed(0)
    critic, draw = Critic(CRITIC), torch.Generator().manual_seed(0)
    fake, real, start, before = (torch.randn(3, LATENTS, 4).requires_grad_() for _ in range(4))
    caught, slope = paired_loss(critic, real, fake, start, before, spread=0.1, draw=draw)
    (caught + slope).backward()
    offsets = {"near.bias", "far.bias"}  # of all scores, which cancel in pairs
    assert touched(critic) | offsets == {name for name, _ in critic.named_parameters()}
    assert fake.grad is None


def test_the_critic_reaches_the_world_and_only_the_world_by_its_opinion(carrier):
    """The critic's gradient is the same however much its opinion weighs; the world's is not."""
    gradients = []
    for weight in (0.0, 50.0):
        network = pair()
        tried = objective(carrier, weight=weight)
        tried.loss(network, tried.batch(1), 1)[0].backward()
        gradients.append({n: p.grad.clone() for n, p in network.named_parameters()
                          if p.grad is not None})  # fmt: skip
    same = {n for n in gradients[0] if torch.equal(gradients[0][n], gradients[1][n])}
    assert {n for n in same if n.startswith("critic.")} == {
        n for n in gradients[0] if n.startswith("critic.")
    }
    assert "world.head_out.weight" not in same


def test_turns_are_taken_with_the_flow(carrier):
    network = pair()
    tried = objective(carrier)
    tried.loss(network, tried.batch(0), 0)[0].backward()
    assert touched(network) == set()


def test_only_frames_are_judged_that_follow_a_dreamed_one(carrier):
    clean, controls, carried = Coins().batch(1)
    draw = torch.Generator().manual_seed(1)
    fake, real, start, before = objective(carrier).dreamed(
        world(MOVING_WORLD), clean, controls, carried, draw
    )
    rows = {tuple(row.tolist()) for row in clean.flatten(0, 1).flatten(1)}
    assert all(tuple(row.tolist()) in rows for row in real.flatten(1))
    assert not any(tuple(row.tolist()) in rows for row in before.flatten(1))
    assert fake.shape == real.shape == start.shape and fake.requires_grad
    assert not (start.requires_grad or before.requires_grad)


def test_what_is_known_is_what_the_motion_saw(carrier):
    """Without motion everything was in view; the first frame has nothing behind it."""
    clean, controls, _ = Coins().batch(1)
    still = carrier.motion
    for p in still.parameters():
        p.zero_()
    known = known_places(carrier, clean, controls)
    assert known.shape == (CLIPS, FRAMES, LATENTS) and MOTION.history < FRAMES
    assert (known[:, 0] == 0).all() and (known[:, 1:] == 1).all()


def test_a_world_that_answers_with_the_mean_learns_to_answer_with_something(carrier):
    """Of coins that cannot be foreseen the mean is 0, which no real frame ever was."""
    spreads = {}
    for weight in (0.0, 3.0):
        network, config = pair(), quick(steps=70, learning_rate=3e-3)
        tried = objective(carrier, weight=weight, penalty=0.1)
        optimisers = make_optimisers(network, config)
        for step in range(1, 2 * config.steps, 2):
            tried.loss(network, tried.batch(step), step)[0].backward()
            for optimiser in optimisers:
                optimiser.step()
                optimiser.zero_grad()
        draw = torch.Generator().manual_seed(9)
        fake, *_ = tried.dreamed(network.world, *tried.batch(9), draw)
        spreads[weight] = float(fake.detach().square().mean().sqrt())
    assert spreads[0.0] < 0.3 and spreads[3.0] > 1.5 * spreads[0.0]

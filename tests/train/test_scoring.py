"""Energy scores: least when dreams are spread as the truth is, and a world learns by them."""

import pytest
import torch
from coins import Coins
from tiny import MOVING_WORLD, motion, quick, tokenizer, world

from worldmodel.errors import UserError
from worldmodel.model.carrier import Carrier
from worldmodel.train.objectives.scoring import Scoring, ScoringConfig, energy_score
from worldmodel.train.optimiser import make_optimisers

GRID = (4, 4)


@pytest.fixture
def carrier():
    return Carrier(motion().requires_grad_(False), tokenizer().requires_grad_(False))


def coins(count, seed):
    """One toss for all 16 places of a frame."""
    draw = torch.Generator().manual_seed(seed)
    toss = torch.randint(0, 2, (count, 1, 1), generator=draw) * 2.0 - 1
    return toss.expand(count, 16, 2)


def mean_score(a, b):
    return float(energy_score(a, b, coins(2000, 0), torch.ones(2000, 16), GRID))


def test_the_score_is_least_for_dreams_that_are_spread_as_the_truth():
    """Of coins: the mean costs 1, one side for ever 1, tosses of one's own a half."""
    toss, mean = mean_score(coins(2000, 1), coins(2000, 2)), torch.zeros(2000, 16, 2)
    assert toss == pytest.approx(0.5, abs=0.05)
    assert mean_score(mean, mean) == pytest.approx(1, abs=0.01)
    assert mean_score(mean + 1, mean + 1) == pytest.approx(1, abs=0.05)


def test_what_a_patch_holds_must_fit_together():
    """Places that are tossed each for itself are right one by one, but not as a picture."""
    draw = torch.Generator().manual_seed(3)
    loose = (torch.randint(0, 2, (2, 2000, 16, 1), generator=draw) * 2.0 - 1).expand(-1, -1, -1, 2)
    assert mean_score(*loose) > mean_score(coins(2000, 1), coins(2000, 2)) + 0.1


def test_places_weigh_as_told():
    truth, dream = torch.zeros(1, 16, 2), torch.zeros(1, 16, 2)
    dream[:, 0] = 1
    weight = torch.ones(1, 16)
    weight[:, 0] = 0
    assert energy_score(dream, dream, truth, weight, (1, 16)) < 0.02
    assert energy_score(dream, dream, truth, 1 - weight, (1, 16)) > 0.9


def test_both_looks_reach_the_world_and_turns_are_taken_with_the_flow(carrier):
    network, tried = world(MOVING_WORLD).train(), Scoring(Coins(), carrier, ScoringConfig())
    assert "flow" not in tried.loss(network, tried.batch(1), 1)[1]
    kept = Scoring(Flow(), carrier, ScoringConfig(keep=3))
    assert [list(kept.loss(network, kept.batch(i), i)[1]) == ["flow"] for i in range(4)] == [
        True, False, False, True,
    ]  # fmt: skip
    for name in ("first", "last"):
        network.zero_grad()
        draw = torch.Generator().manual_seed(1)
        tried.scores(network, tried.batch(1), draw)[name].backward()
        assert network.head_out.weight.grad.any()


class Flow(Coins):
    def loss(self, network, batch, step):
        return torch.zeros(()), {}


def test_a_world_learns_to_toss_coins(carrier):
    """The mean of coins that cannot be foreseen is 0; a world that is scored throws 1 or -1."""
    torch.manual_seed(0)
    network = world(MOVING_WORLD).train()
    tried = Scoring(Coins(), carrier, ScoringConfig(known=1.0))
    optimisers = make_optimisers(network, quick(steps=70, learning_rate=3e-3))

    def figures():
        with torch.no_grad():
            draw = torch.Generator().manual_seed(9)
            return tried.scores(network, tried.batch(9), draw)

    before = figures()
    for step in range(1, 140, 2):
        tried.loss(network, tried.batch(step), step)[0].backward()
        for optimiser in optimisers:
            optimiser.step()
            optimiser.zero_grad()
    after = figures()
    assert after["last"] < before["last"] and after["first"] < before["first"]
    assert after["first"] < 0.95  # what the mean costs is 1


def test_impossible_settings_are_a_sentence():
    with pytest.raises(UserError, match="keep must be at least 2"):
        ScoringConfig(keep=1)

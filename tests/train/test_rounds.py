"""Pictures that go round: moves compose, and the truth is moved as they are."""

import numpy as np
import torch
from tiny import LATENTS, tokenizer

from worldmodel.train.objectives.rounds import Move, gone_round, latents_of

SIZE = (16, 48)


def draw(seed=0):
    return np.random.default_rng(seed)


def smooth(count: int) -> torch.Tensor:
    """Slow waves, which sampling twice hurts little."""
    y, x = torch.meshgrid(torch.linspace(0, 1, 16), torch.linspace(0, 3, 48), indexing="ij")
    return (0.5 + 0.3 * torch.sin(x + y)).expand(count, 3, 16, 48)


def test_two_moves_are_one():
    one, two = (Move.drawn(6, SIZE, draw(seed)) for seed in (1, 2))
    apart, at_once = two.of(one.of(smooth(6))), one.then(two).of(smooth(6))
    inside = (..., slice(5, -5), slice(16, -16))
    torch.testing.assert_close(apart[inside], at_once[inside], atol=0.02, rtol=0)
    assert (apart - smooth(6)).abs().max() > 0.05


def test_no_move_leaves_the_picture():
    picture = torch.rand(2, 3, *SIZE)
    torch.testing.assert_close(Move.none(2).of(picture), picture, atol=1e-5, rtol=0)
    assert torch.equal(Move.none(2).then(Move.none(2)).zoom, torch.ones(2, 1, 1, 1))


def test_some_moves_are_none_and_the_others_small():
    moves = Move.drawn(400, SIZE, draw())
    still = (moves.shift == 0).flatten(1).all(1) & (moves.zoom.flatten() == 1)
    assert 0.2 < float(still.float().mean()) < 0.4
    pixels = moves.shift[~still, 0] * SIZE[1] / 2
    assert 6 < float(pixels.std()) < 10


def test_a_round_is_what_play_does_and_depends_on_its_draws_alone():
    tokens = tokenizer()
    latents = torch.randn(3, LATENTS, 4)
    moved, total = gone_round(tokens, latents, 1, SIZE, draw(5))
    move = Move.drawn(3, SIZE, draw(5))
    with torch.no_grad():
        by_hand = latents_of(tokens, move.of(tokens.pictures(latents)))
    assert torch.equal(moved, by_hand) and torch.equal(total.shift, move.shift)
    again, _ = gone_round(tokens, latents, 1, SIZE, draw(5))
    assert torch.equal(again, moved)
    untouched, nothing = gone_round(tokens, latents, 0, SIZE, draw(5))
    assert torch.equal(untouched, latents) and not nothing.shift.any()

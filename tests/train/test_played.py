"""Pasts that are dreamed in rounds, and what dreams that follow them should become."""

import pytest
import torch
from coins import Coins
from tiny import MOVING_WORLD, motion, tokenizer, world

from worldmodel.model.carrier import Carrier
from worldmodel.train.objectives.played import played


@pytest.fixture
def carrier():
    return Carrier(motion().requires_grad_(False), tokenizer().requires_grad_(False))


def after(rounds, carrier, seed=0, known=None):
    clean, controls, carried = Coins().batch(0)
    draw = torch.Generator().manual_seed(seed)
    network = world(MOVING_WORLD)
    return (
        clean,
        carried,
        played(network, carrier, clean, controls, carried, Coins.flow, draw, rounds, known),
    )


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_every_round_dreams_every_second_frame_and_the_others_are_next(carrier, seed):
    for rounds in (0, 1, 2):
        clean, _, now = after(rounds, carrier, seed)
        dreamed = (now.own != clean).flatten(2).any(dim=-1).any(dim=0)
        assert not (now.chosen[0] or dreamed[0])
        assert (now.chosen[1:-1] ^ now.chosen[2:]).all()
        if rounds == 1:
            assert torch.equal(dreamed[1:], ~now.chosen[1:])
        if rounds == 2:
            assert dreamed[1:].all()
        if rounds == 0:
            assert not dreamed.any()


def test_what_follows_a_dream_starts_from_it(carrier):
    """All but the first frames, of which motion does not know what keys led to them."""
    _, carried, now = after(1, carrier)
    anew = (now.start != carried).flatten(2).any(dim=-1).any(dim=0)
    later = torch.arange(8) >= carrier.motion.config.history
    assert torch.equal(anew, later & now.chosen)


def test_dreams_are_to_keep_what_their_past_made_up_and_are_else_to_be_true(carrier):
    clean, _, now = after(1, carrier)
    aim = now.aim(clean)
    made_up = now.known - now.real
    assert made_up.min() > -1e-5 and made_up.max() > 0.1
    torch.testing.assert_close(aim[made_up == 0], clean[made_up == 0])
    most = made_up.flatten().argmax()
    place, share = aim.flatten(0, 2)[most], made_up.flatten()[most]
    start, truth = now.start.flatten(0, 2)[most], clean.flatten(0, 2)[most]
    torch.testing.assert_close(place, share * start + (1 - share) * truth)


def test_after_real_frames_all_that_was_there_is_true(carrier):
    clean, _, now = after(0, carrier)
    assert torch.equal(now.real, now.known) and torch.equal(now.aim(clean), clean)


def test_made_up_places_grow_with_the_rounds(carrier):
    shares = [
        float((now.known - now.real).mean()) for _, _, now in (after(n, carrier) for n in (1, 4))
    ]
    assert shares[1] > shares[0] > 0


def test_what_is_off_screen_stays_as_it_was_recorded():
    """Known places that were not in the dream keep the recording's latents: no inventions."""
    carrier = Carrier(
        motion(offscreen=(1, 2)).requires_grad_(False), tokenizer().requires_grad_(False)
    )
    halfway = torch.tensor([1.0, 0.0]).view(1, 2, 1, 1).expand(-1, -1, 4, 12)
    carrier.motion.forward = lambda latent, *rest: halfway.expand(len(latent), -1, -1, -1)
    shape = Coins().batch(0)[0].shape[:3]
    _, carried, now = after(1, carrier, known=torch.ones(shape))
    at = torch.arange(carrier.motion.config.history, 8)
    at = at[now.chosen[at]]
    _, _, _, flow, _ = carrier.carry_at(now.own, now.controls, at)
    gone = carrier.motion.seen(flow).unflatten(0, (len(carried), len(at))) == 0
    assert gone.float().mean() == 0.5  # the right half
    torch.testing.assert_close(now.start[:, at][gone], carried[:, at][gone])
    assert now.known[:, at][gone].eq(1).all() and now.real[:, at][gone].eq(1).all()
    assert now.known.amax() <= 1 + 1e-5


def test_what_had_to_be_painted_anew_as_it_bent_is_no_invention():
    """A runner in front of ground that passes by is to look as he did, ground is to stay."""
    carrier = Carrier(motion(bend=0.01).requires_grad_(False), tokenizer().requires_grad_(False))
    _, _, now = after(1, carrier)
    assert (now.traced >= now.real - 1e-5).all() and (now.traced > now.real + 0.1).any()

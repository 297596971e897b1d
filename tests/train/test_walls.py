"""Motion learns to see walls: what happens suddenly, in blurred dreams, at the right place."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from test_photometric import panorama_store
from tiny import LATENTS, MOTION, motion, quick, tokenizer

from worldmodel.errors import UserError
from worldmodel.model.motion import Motion, gist
from worldmodel.train.objectives.blurring import BLURS, blurred, drawn_blurs
from worldmodel.train.objectives.photometric import Photometric, PhotometricConfig, suddenness


def halting_store():
    """A view that turns on and on, and stops for good at row 60."""
    store = panorama_store(0)
    store.frames[60:] = store.frames[60]
    store.motion[1:60], store.motion[60:] = 8.0, 0.0
    return store


def objective(**weighed):
    latents = np.broadcast_to(np.arange(120)[:, None, None] / 120, (120, LATENTS, 4))
    latents, store = latents.astype(np.float16), halting_store()
    config, weighed = quick(batch=8), PhotometricConfig(**weighed)
    return Photometric(store, latents, store, latents, config, tokenizer(), MOTION, weighed)


def test_a_stop_is_as_sudden_as_a_start_and_a_steady_turn_is_not():
    sudden = suddenness(np.array([0, 8, 8, 8, 0, 0], np.float32))
    assert (sudden > 0).tolist() == [False, True, False, False, True, False]
    assert sudden[1] == sudden[4]


def test_of_a_batch_the_last_pairs_are_drawn_for_their_suddenness():
    """Only the frame after the last turn is sudden, so all of them lead to it."""
    chosen = objective(sudden=0.5)
    pictures = chosen.batch(0)[0]
    assert len(pictures) == 8
    for first, second in pictures[4:]:
        np.testing.assert_array_equal((255 * second).round(), chosen_frame(chosen, 60))
        assert not torch.equal(first, second)


def chosen_frame(chosen, row):
    return torch.tensor(chosen.store.frames[row]).permute(2, 0, 1)


def test_of_more_tries_those_are_learned_that_the_network_knows_least():
    """It says that nothing ever moves: what does move is what it knows least."""
    chosen = objective(sudden=0.5, tries=6)
    batch = chosen.batch(3)
    assert len(batch[0]) == 4 + 6 * 4
    found = chosen.worst(lambda *given: torch.zeros(len(given[0]), 2, 4, 12), batch)
    assert all(len(part) == 8 for part in found)
    assert torch.equal(found[0][:4], batch[0][:4])

    def moves(pictures):
        return gist(chosen._flow(pictures[:, 0], pictures[:, 1])).abs().mean(dim=(1, 2, 3))

    kept, drawn = moves(found[0][4:]).sort().values, moves(batch[0][4:]).sort().values
    torch.testing.assert_close(kept, drawn[-4:])


def test_soft_pairs_are_seen_blurred_and_moved_sharp():
    chosen, sharp = objective(soft=1.0), objective()
    pictures, seen, _, blurs = chosen.batch(0)
    assert torch.equal(pictures, sharp.batch(0)[0])
    assert (blurs > 0).sum(dim=1).tolist() == [1] * 8
    shown = chosen.tokenizer.standardise(chosen.tokenizer.bounded(blurred(pictures[:, 0], blurs)))
    torch.testing.assert_close(seen[:, -1], shown)


def test_blurs_leave_the_rest_as_it_is_and_keep_the_mean():
    pictures = torch.rand(6, 3, 16, 16)
    blurs = torch.zeros(6, len(BLURS))
    blurs[1, 0], blurs[2, 2] = 0.5, 1.0
    found = blurred(pictures, blurs)
    assert [torch.equal(a, b) for a, b in zip(found, pictures, strict=True)] == [
        True,
        False,
        False,
        True,
        True,
        True,
    ]
    spread = [float((x - x.mean(dim=(1, 2), keepdim=True)).square().mean()) for x in found]
    assert spread[2] < 0.1 * spread[0]


def test_so_large_a_share_of_the_pictures_is_blurred():
    blurs = drawn_blurs(4000, 0.3, np.random.default_rng(0))
    assert float(blurs.any(dim=1).float().mean()) == pytest.approx(0.3, abs=0.03)
    assert not drawn_blurs(50, 0.0, np.random.default_rng(0)).any()


def test_a_guided_flow_costs_more_the_farther_it_is_from_the_measured_one():
    chosen, alone = objective(guided=1.0), objective()
    batch = alone.batch(0)
    true = chosen._flow(batch[0][:, 0], batch[0][:, 1])

    def cost(off):
        def network(*given):
            return true + off

        return float(chosen.loss(network, batch, 0)[0] - alone.loss(network, batch, 0)[0])

    assert cost(0.0) == pytest.approx(0, abs=1e-6)
    assert cost(0.1) == pytest.approx(0.1, rel=1e-3)


def test_a_placed_network_begins_as_one_without():
    plain = motion().requires_grad_(False)
    placed = Motion(replace(MOTION, placed=True)).requires_grad_(False)
    left_out = placed.load_state_dict(plain.state_dict(), strict=False).missing_keys
    assert sorted(left_out) == ["counts", "found.bias", "found.weight"]
    latents = torch.randn(2, LATENTS, 4)
    keys = torch.zeros(2, MOTION.history, MOTION.controls)
    torch.testing.assert_close(placed(latents, latents, keys), plain(latents, latents, keys))


def test_a_placed_network_learns_what_counts_where():
    chosen, network = objective(), motion(placed=True)
    chosen.loss(network, chosen.batch(0), 0)[0].backward()
    assert all(p.grad.any() for p in (network.counts, network.found.weight, network.found.bias))


@pytest.mark.parametrize(
    "wrong", [{"sudden": 1.5}, {"soft": -0.1}, {"guided": -1}, {"tries": 0}, {"rounds": 0}]
)
def test_a_wrong_weight_is_a_sentence(wrong):
    (name,) = wrong
    with pytest.raises(UserError, match=f"^{name} must be"):
        PhotometricConfig(**wrong)

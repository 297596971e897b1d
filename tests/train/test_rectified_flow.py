"""The world's objective: clips, levels and hidden keys as functions of (seed, step)."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tiny import LATENTS, MOVING_WORLD, motion, quick, tokenizer, world

from worldmodel.data.clips import FrameStore
from worldmodel.diffusion.schedules import CONTEXT_SPAN
from worldmodel.errors import UserError
from worldmodel.model.carrier import Carrier
from worldmodel.train.latents import LatentClips, carry_frames, encode_frames
from worldmodel.train.objectives.rectified_flow import (
    HORIZON,
    FlowConfig,
    RectifiedFlow,
    frame_correlation,
    shown_carried,
)


@pytest.fixture(scope="module")
def parts(arrays):
    torch.manual_seed(0)
    tokens = tokenizer()
    stores = [FrameStore(arrays / split) for split in ("train", "heldout")]
    exact = quick(bf16=False)
    return tokens, [LatentClips(s, encode_frames(s, tokens, exact), None) for s in stores]


@pytest.fixture(scope="module")
def moving_parts(parts):
    """The same with motion: what each frame starts from is in the data."""
    torch.manual_seed(1)
    tokens, sets = parts
    mover, exact = motion(), quick(bf16=False)
    sets = [
        replace(s, carried=carry_frames(s.store, s.latents, tokens, mover, exact)) for s in sets
    ]
    return tokens, sets, mover


def objective(parts, seed=0, **flow):
    tokens, (train, heldout), *mover = parts
    carrier = Carrier(mover[0], tokens) if mover else None
    config, flow = quick(seed=seed), FlowConfig(clip=8, **{"own": 0.0} | flow)
    return RectifiedFlow(train, heldout, tokens, config, flow, carrier)


class Told:
    """Answers with what it is told and notes what it was asked."""

    def __init__(self, answer):
        self.answer = answer

    def __call__(self, noisy, tau, jump, controls, cache, *carried):
        assert cache is None
        self.noisy, self.tau, self.controls, self.carried = noisy, tau, controls, carried
        return self.answer


def test_a_batch_is_a_function_of_seed_and_step(parts):
    a, b, c = objective(parts), objective(parts), objective(parts, seed=1)
    for one, same, other, next_ in zip(a.batch(5), b.batch(5), c.batch(5), a.batch(6), strict=True):
        assert torch.equal(one, same)
        assert not torch.equal(one, other) and not torch.equal(one, next_)
    latents, controls = a.batch(0)
    assert latents.shape == (4, 8, LATENTS, 4) and controls.shape == (4, 8, 6)
    assert latents.dtype == controls.dtype == torch.float32


def test_a_clip_keeps_each_frame_beside_the_keys_that_produced_it(parts):
    """The alignment of the data survives the way into a batch."""
    chosen = objective(parts)
    store, latents = parts[1][0].store, parts[1][0].latents
    clips, controls = chosen.batch(0)
    rows = chosen.sampler.draw(0, 4)
    for clip, keys, row in zip(clips, controls, rows, strict=True):
        np.testing.assert_array_equal(clip.numpy(), latents[row : row + 8].astype(np.float32))
        np.testing.assert_array_equal(keys.numpy(), store.controls[row : row + 8])


def test_knowing_the_answer_costs_nothing(parts):
    chosen = objective(parts)
    batch = chosen.batch(0)
    loss, values = chosen.loss(Told(batch[0]), batch, 0)
    assert loss == 0 and values["pure_noise"] == 0


def test_the_network_sees_each_frame_at_the_level_it_is_told(parts):
    chosen = objective(parts)
    batch = chosen.batch(0)
    told = Told(batch[0])
    chosen.loss(told, batch, 0)
    tau = told.tau[..., None, None]
    noise = (told.noisy - tau * batch[0]) / (1 - tau).clamp_min(1e-6)
    assert noise[told.tau < 0.9].std() == pytest.approx(1.0, abs=0.05)
    assert told.tau.unique().numel() > 8


def test_noisier_frames_weigh_less_if_asked(parts):
    """By the weight 0.9 tau + 0.1; as much as others unless asked."""
    even, ramp = objective(parts), objective(parts, floor=0.1)
    batch, told = even.batch(0), Told(torch.zeros(4, 8, LATENTS, 4))
    losses = [float(each.loss(told, batch, 0)[0]) for each in (even, ramp)]
    by_frame = (batch[0].square() * even.weights).mean(dim=(-2, -1))
    assert losses[0] == pytest.approx(float(by_frame.mean()), rel=1e-5)
    weighted = ((0.9 * told.tau + 0.1) * by_frame).mean()
    assert losses[1] == pytest.approx(float(weighted), rel=1e-5)


def test_draws_of_a_loss_are_a_function_of_the_step(parts):
    chosen = objective(parts)
    batch, told = chosen.batch(0), Told(torch.zeros(4, 8, LATENTS, 4))
    noisy = []
    for step in (0, 0, 1):
        chosen.loss(told, batch, step)
        noisy.append(told.noisy)
    assert torch.equal(noisy[0], noisy[1]) and not torch.equal(noisy[0], noisy[2])


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_keys_are_hidden_as_often_as_asked(parts, share):
    chosen = objective(parts, dropout=share)
    batch, hidden = chosen.batch(0), []
    for step in range(40):
        told = Told(batch[0])
        chosen.loss(told, batch, step)
        unknown = told.controls.isnan()
        assert torch.equal(unknown.any(-1), unknown.all(-1))  # a frame's keys, all or none
        hidden.append(unknown.float().mean())
    assert torch.stack(hidden).mean() == pytest.approx(share, abs=0.05)


def test_pasts_are_dreamed_in_the_last_part_of_a_run(parts, monkeypatch):
    chosen = objective(parts, own=0.5, own_last=0.5)
    batch, asked = chosen.batch(0), []
    own = torch.full((2, 8, LATENTS, 4), 7.0)

    def dreams(network, carrier, clean, *rest, blank):
        asked.append(len(clean))
        return own, [], torch.arange(8) % 2 == 1

    monkeypatch.setattr("worldmodel.train.objectives.rectified_flow.own_past", dreams)
    told = Told(batch[0])
    for step in range(chosen.steps):
        chosen.loss(told, batch, step)
        assert len(asked) == max(0, step + 1 - chosen.steps // 2)
    assert set(asked) == {2}  # of four clips
    assert told.tau[:2, 1::2].min() >= 1 - CONTEXT_SPAN  # dreamed frames are a past, not a task
    assert (told.noisy[:2].mean(dim=(-2, -1))[:, 1::2] > 5).all()


def test_the_gradient_reaches_every_weight(parts):
    chosen, network = objective(parts, dropout=0.3), world()
    chosen.loss(network, chosen.batch(0), 0)[0].backward()
    idle = {name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()}
    assert idle == set()


def test_held_out_figures_say_that_an_untrained_world_ignores_its_keys(parts):
    chosen, network = objective(parts), world().requires_grad_(False)
    torch.nn.init.zeros_(network.head_out.weight)
    torch.nn.init.zeros_(network.head_out.bias)
    figures = chosen.validate(network)
    assert figures["shuffled_ratio"] == 1.0
    assert figures == chosen.validate(network)
    assert all(np.isfinite(value) for value in figures.values())


def test_a_picture_of_truth_and_dream_is_drawn(parts, tmp_path):
    objective(parts).draw(world().requires_grad_(False), tmp_path / "sheet.png")
    assert [path.name for path in tmp_path.iterdir()] == ["sheet.png"]


def test_the_correlation_is_the_one_that_made_the_data():
    rho, count = np.array([0.9, 0.0, -0.5]), 3000
    draw = np.random.default_rng(0)
    latents = [draw.standard_normal((4, 3))]
    for _ in range(count - 1):
        latents.append(rho * latents[-1] + np.sqrt(1 - rho**2) * draw.standard_normal((4, 3)))
    latents, moves = np.stack(latents).astype(np.float16), SimpleNamespace(motion=np.ones(count))
    found = frame_correlation(LatentClips(moves, latents, None))
    torch.testing.assert_close(found.double(), torch.from_numpy(rho), atol=0.03, rtol=0)
    found = frame_correlation(LatentClips(moves, latents, 2 * latents))
    torch.testing.assert_close(found, torch.ones(3), atol=0.01, rtol=0)


def test_data_in_which_nothing_moves_are_refused_in_a_sentence():
    still = SimpleNamespace(motion=np.zeros(9), folder="data/wall")
    with pytest.raises(UserError, match="nothing moves in data/wall; collect"):
        frame_correlation(LatentClips(still, np.zeros((9, 4, 3), np.float16), None))


def test_with_motion_a_clip_keeps_each_frame_beside_what_it_starts_from(moving_parts):
    chosen, data = objective(moving_parts), moving_parts[1][0]
    *_, carried = chosen.batch(0)
    for clip, row in zip(carried, chosen.sampler.draw(0, 4), strict=True):
        np.testing.assert_array_equal(clip.numpy(), data.carried[row : row + 8].astype(np.float32))


def test_carried_latents_are_shown_nearly_clean_and_first_frames_not_at_all():
    moved = torch.randn(50, 8, LATENTS, 4)
    moved[:, 0] = 0
    shown, level = shown_carried(moved, torch.Generator().manual_seed(0))
    assert not level[:, 0].any() and level[:, 1:].min() >= 1 - CONTEXT_SPAN and level.max() <= 1
    noise = (shown - level[..., None, None] * moved)[:, 0]
    assert noise.std() == pytest.approx(1.0, abs=0.05)  # pure noise: no news
    error = (shown - moved)[:, 1:].square().mean(dim=(-2, -1))
    cleaner = level[:, 1:] > 1 - CONTEXT_SPAN / 2
    assert 0 < error[cleaner].mean() < error[~cleaner].mean()


def test_with_motion_the_gradient_reaches_every_weight_of_the_world_only(moving_parts):
    tokens, _, mover = moving_parts
    chosen, network = objective(moving_parts, dropout=0.3), world(MOVING_WORLD)
    chosen.loss(network, chosen.batch(0), 0)[0].backward()
    idle = {name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()}
    assert idle == set()
    assert all(p.grad is None for part in (tokens, mover) for p in part.parameters())


def test_with_motion_there_are_figures_and_a_picture(moving_parts, tmp_path):
    chosen, network = objective(moving_parts), world(MOVING_WORLD).requires_grad_(False)
    figures = chosen.validate(network)
    assert {"motion_alone", "over_repeat", "shuffled_ratio"} <= figures.keys()
    assert all(np.isfinite(value) for value in figures.values())
    told, carry = [], chosen.carrier.carry
    chosen.carrier.carry = lambda *given: told.append(given) or carry(*given)
    chosen.draw(network, tmp_path / "sheet.png")
    assert (tmp_path / "sheet.png").is_file()
    assert len(told) == 2 * HORIZON  # the context's frames and the dreamed ones

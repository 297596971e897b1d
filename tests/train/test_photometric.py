"""The motion stage: pairs of frames with the keys between them, learned in a few updates."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tiny import LATENTS, MOTION, motion, quick, tokenizer

from worldmodel.data.clips import Span
from worldmodel.errors import UserError
from worldmodel.model.motion import Motion
from worldmodel.model.tokenizer import to_float
from worldmodel.train.loop import train
from worldmodel.train.objectives.photometric import (
    Photometric,
    PhotometricConfig,
    still_true,
    worse,
)

STRIDE = 3  # pixels that a key moves the view


def panorama_store(seed, count=120):
    """Somebody turns left (key 0) or right (key 1) before a painted panorama."""
    draw = np.random.default_rng(seed)
    paint = np.kron(draw.integers(0, 256, (4, 120, 3)), np.ones((4, 4, 1)))
    paint = (paint + np.roll(paint, 2, axis=1)) / 2  # uint8 [16 480 3], soft edges
    controls, at, frames = np.zeros((count, 6), np.float32), 216, []
    for i in range(count):
        if i:
            turn = int(draw.integers(0, 2)) if 60 < at < 370 else int(at <= 60)
            controls[i, turn] = 1
            at += STRIDE if turn else -STRIDE
        frames.append(paint[:, at : at + 48].astype(np.uint8))
    return SimpleNamespace(
        episodes=(Span(name="a", start=0, stop=count, seed=0, player="p"),),
        frames=np.stack(frames),
        controls=controls,
        motion=np.ones(count, np.float32),
    )


def objective(momentum=False, **changes):
    train_set, heldout = panorama_store(0), panorama_store(1)
    latents = np.arange(120, dtype=np.float16)[:, None, None] / 120  # each says its row
    latents = np.broadcast_to(latents, (120, LATENTS, 4))
    config, sizes = quick(**changes), replace(MOTION, momentum=momentum)
    return Photometric(train_set, latents, heldout, latents, config, tokenizer(), sizes)


def test_a_batch_is_a_function_of_seed_and_step():
    a, b = objective(), objective()
    for one, same, other in zip(a.batch(3)[:2], b.batch(3)[:2], a.batch(4)[:2], strict=True):
        assert torch.equal(one, same) and not torch.equal(one, other)


def test_keys_are_those_that_led_to_the_picture_after():
    chosen = objective()
    store, starts = chosen.store, np.sort(chosen.sampler.draw(0, 4))
    pictures, seen, keys, *_ = chosen.batch(0)
    assert seen.shape == (4, 2, LATENTS, 4) and keys.shape == (4, 3, 6)
    for i, row in enumerate(starts + MOTION.history):
        assert torch.equal(pictures[i, 0], to_float(torch.tensor(store.frames[row - 1])))
        assert torch.equal(pictures[i, 1], to_float(torch.tensor(store.frames[row])))
        shown = [round(120 * float(x)) for x in seen[i, :, 0, 0]]
        assert shown == [row - 2, row - 1]
        np.testing.assert_array_equal(keys[i], store.controls[[row - 2, row - 1, row]])


@pytest.mark.parametrize("momentum", [False, True])
def test_the_gradient_reaches_every_weight(momentum):
    chosen, network = objective(momentum), motion(momentum=momentum)
    batch = chosen.batch(0)
    chosen.loss(network, batch, 0)[0].backward()
    assert [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()] == []
    assert not any(part.requires_grad for part in batch)


class Knows:
    """The flow that the keys cause, without learning."""

    def __call__(self, latent, earlier, recent):
        right = 2 * STRIDE / 48 * (recent[:, 0, 1] - recent[:, 0, 0])
        return torch.stack([right, 0 * right], dim=1)[..., None, None].expand(-1, 2, 4, 12)


def test_the_true_flow_costs_almost_nothing():
    chosen = objective()
    batch = chosen.batch(0)
    true, _ = chosen.loss(Knows(), batch, 0)
    still, _ = chosen.loss(lambda *given: 0 * Knows()(*given), batch, 0)
    assert true < 0.2 * still
    figures = chosen.validate(Knows())
    assert figures["over_repeat"] > 5 and figures["psnr_lost"] > 5


def test_who_does_not_heed_the_keys_loses_nothing_by_others():
    figures = objective().validate(lambda *given: 0 * Knows()(*given))
    assert figures["psnr_lost"] == figures["over_repeat"] == 0


@pytest.mark.parametrize("momentum", [False, True])
def test_a_few_updates_beat_repeating(tmp_path, momentum):
    config = quick(steps=60, batch=16, learning_rate=2e-2, ema=0.5, bf16=False, log_every=20)
    chosen = objective(momentum, batch=16)
    network = Motion(replace(MOTION, momentum=momentum))
    before = chosen.validate(network.requires_grad_(False))["over_repeat"]
    average = train(network.requires_grad_(True), chosen, config, tmp_path)
    assert before == pytest.approx(0, abs=0.3)
    after = chosen.validate(average)
    assert after["over_repeat"] > 2
    assert not momentum or after["over_repeat_3"] > 2
    assert (tmp_path / "step-000060.png").is_file()


def test_with_momentum_the_controls_of_a_flow_are_those_up_to_its_frame():
    """Of three rounds the first leads to the row after the four that are seen."""
    chosen = objective(momentum=True)
    store, starts = chosen.store, np.sort(chosen.sampler.draw(0, 4))
    pictures, seen, keys, *_ = chosen.batch(0)
    told = []
    network = motion(momentum=True).requires_grad_(False)
    forward = network.forward
    network.forward = lambda *given: (told.append(given), forward(*given))[1]
    list(chosen.moved_on(network, pictures, seen, keys, torch.zeros(4, 3)))
    for i, row in enumerate(starts + chosen.clip - 3):
        rows = [
            row - 2,
            row - 1,
            row,
            row + 1,
            row + 2,
        ]  # two flows to know the speed, three rounds
        for given, at in zip(told, rows, strict=True):
            held = store.controls[[at, at - 1, at - 2]]
            np.testing.assert_array_equal(given[2][i], held)
        shown = [round(120 * float(x)) for x in seen[i, :, 0, 0]]
        assert shown == [row - 4, row - 3, row - 2, row - 1]


def test_a_place_is_true_as_long_as_it_was_in_the_picture():
    """Looking 12 pixels further to the right twice, 24 of 48 columns are left."""
    flow, true = torch.zeros(1, 2, 4, 12), torch.ones(1, 1, 16, 48)
    flow[:, 0] = 0.5
    for left in (36, 24):
        true = still_true(true, flow)
        assert true[0, 0, 0].round().int().tolist() == [1] * left + [0] * (48 - left)


def test_only_what_had_better_not_been_moved_is_torn():
    next_picture = torch.rand(1, 3, 8, 8)
    last, moved = next_picture.clone(), next_picture.clone()
    last[..., 4:] += 0.5  # the right half passes by, the left half stays
    moved[..., :2] -= 0.2  # and is carried off in part
    torn = worse(moved - next_picture, last - next_picture)
    assert float(torn) == pytest.approx(0.2 / 4)
    assert float(worse(last - next_picture, last - next_picture)) == 0


def man_before(store):
    """The same, with a dot that stays in the middle of the picture."""
    frames = store.frames.copy()
    frames[:, 6:10, 22:26] = 255
    return SimpleNamespace(**(vars(store) | {"frames": frames}))


def test_a_small_thing_that_stays_is_not_carried_off():
    """It is 2 % of the picture; what a flow loses there counts for more with `stays`."""
    kept = {}
    for stays in (0.0, 30.0):
        torch.manual_seed(0)
        network, sizes = Motion(MOTION), MOTION
        store, heldout = (man_before(panorama_store(seed)) for seed in (0, 1))
        latents = [np.zeros((len(s.frames), LATENTS, 4), np.float32) for s in (store, heldout)]
        config = quick(steps=150, batch=8, learning_rate=1e-2)
        tried = Photometric(
            store,
            latents[0],
            heldout,
            latents[1],
            config,
            tokenizer(),
            sizes,
            PhotometricConfig(stays=stays),
        )
        optimiser = torch.optim.Adam(network.parameters(), 1e-2)
        for step in range(config.steps):
            tried.loss(network, tried.batch(step), step)[0].backward()
            optimiser.step()
            optimiser.zero_grad()
        pictures, *given = tried.heldout
        with torch.no_grad():
            moved, *_ = next(tried.moved_on(network, pictures, *given))
        dot = (moved - pictures[:, 1])[..., 6:10, 22:26]
        kept[stays] = float(dot.square().mean())
    assert kept[30.0] < 0.7 * kept[0.0]


def test_a_weight_below_nothing_is_a_sentence():
    with pytest.raises(UserError, match="stays must be a weight of 0 or more, found -1"):
        PhotometricConfig(stays=-1)

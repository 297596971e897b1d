"""The tokenizer's objective: what it draws, what it rewards, what it measures at the end."""

import numpy as np
import pytest
import torch
from tiny import tokenizer

from worldmodel.model.tokenizer import to_float
from worldmodel.train.metrics import psnr
from worldmodel.train.objectives.reconstruction import Reconstruction, measure_statistics


@pytest.fixture
def frames():
    return np.random.default_rng(0).integers(0, 256, (40, 16, 48, 3), np.uint8)


@pytest.fixture
def objective(frames):
    return Reconstruction(frames, frames[:8], batch=4, seed=3)


def test_a_batch_is_a_function_of_seed_and_step(objective, frames):
    same = Reconstruction(frames, frames, batch=4, seed=3)
    assert torch.equal(objective.batch(7)[0], same.batch(7)[0])
    assert not torch.equal(objective.batch(7)[0], objective.batch(8)[0])
    other = Reconstruction(frames, frames, batch=4, seed=4)
    assert not torch.equal(objective.batch(7)[0], other.batch(7)[0])
    assert objective.batch(0)[0].shape == (4, 3, 16, 48)


def test_the_loss_is_a_function_of_the_step(objective):
    network, batch = tokenizer(), objective.batch(0)
    first, again, next_ = (objective.loss(network, batch, step)[0] for step in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, next_)


def test_the_gradient_reaches_every_weight(objective):
    network = tokenizer()
    objective.loss(network, objective.batch(0), 0)[0].backward()
    assert all(p.grad is not None and p.grad.any() for p in network.parameters())


def test_a_perfect_reconstruction_costs_nothing(objective):
    class Perfect:
        config = tokenizer().config

        def __call__(self, pictures, noise):
            return pictures

    assert objective.loss(Perfect(), objective.batch(0), 0)[0] == 0


def test_features_add_to_the_loss_and_to_the_gradient_of_the_tokenizer_alone(frames, objective):
    seeing = Reconstruction(frames, frames[:8], batch=4, seed=3, perceptual=0.5)
    network, batch = tokenizer(), objective.batch(0)
    plain, _ = objective.loss(network, batch, 0)
    loss, values = seeing.loss(network, batch, 0)
    torch.testing.assert_close(loss, plain + 0.5 * values["features"])
    loss.backward()
    assert all(p.grad is not None and p.grad.any() for p in network.parameters())
    assert all(p.grad is None for p in seeing.features.network.parameters())


def test_latents_are_standard_after_measuring(frames):
    network = tokenizer()
    measure_statistics(network, frames)
    latents = network.encode(torch.from_numpy(frames)).flatten(0, 1)
    torch.testing.assert_close(latents.mean(0), torch.zeros(4), atol=1e-4, rtol=0)
    torch.testing.assert_close(latents.std(0), torch.ones(4), atol=1e-4, rtol=0)


def test_few_frames_can_be_measured_too(frames):
    network = tokenizer()
    measure_statistics(network, frames[:5])
    assert network.deviation.isfinite().all() and (network.deviation > 0).all()


def test_psnr_by_hand():
    a = torch.zeros(2, 4, 4, 3, dtype=torch.uint8)
    b = a.clone()
    b[1] = 51  # a fifth of the range: 20 log10(5) dB
    assert psnr(a, b)[0] > 70
    assert psnr(a, b)[1].item() == pytest.approx(13.979, abs=1e-3)


def test_held_out_figures_and_pictures(objective, tmp_path):
    network = tokenizer()
    pictures = to_float(torch.from_numpy(objective.heldout))
    mean = psnr(
        torch.from_numpy(objective.heldout),
        network.decode(network.standardise(network.bounded(pictures))),
    ).mean()
    assert objective.validate(network)["psnr"] == pytest.approx(mean.item(), abs=1e-3)
    objective.draw(network, tmp_path / "sheet.png")
    assert [path.name for path in tmp_path.iterdir()] == ["sheet.png"]

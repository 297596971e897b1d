"""A lighter tokenizer: it speaks another one's latents, and the world that knows them goes on."""

import numpy as np
import pytest
import torch
from tiny import quick, tokenizer

from worldmodel.checkpoint import load_checkpoint
from worldmodel.data.clips import FrameStore
from worldmodel.errors import UserError
from worldmodel.model.tokenizer import SeparableBlock, Tokenizer
from worldmodel.train.lightening import train_lighter
from worldmodel.train.objectives.lightening import Lightening, LighteningConfig, moved

QUICK = LighteningConfig(perceptual=0.0, crop=16)


def objective(arrays, teacher, config=QUICK):
    store = FrameStore(arrays / "train")
    return Lightening(store.frames, store.frames, teacher, config, batch=6, seed=0)


def test_who_says_the_same_has_nothing_to_learn_from_latents(arrays):
    teacher = tokenizer()
    stage = objective(arrays, teacher, LighteningConfig(noise=0.0, perceptual=0.1, crop=16))
    _, values = stage.loss(teacher, stage.batch(0), 0)
    assert values["off"] == 0 and values["l1"] > 0 and values["features"] > 0
    figures = stage.validate(teacher)
    assert figures["off"] == 0 and figures["psnr"] == figures["decoder_psnr"]


def test_an_imitator_learns_the_other_ones_pictures_and_not_the_recorded_ones(arrays):
    teacher = tokenizer()
    stage = objective(arrays, teacher, LighteningConfig(perceptual=0.1, crop=16, imitate=True))
    loss, values = stage.loss(teacher, stage.batch(0), 0)
    assert values["off"] == 0 and values["features"] < 1e-3 and loss < 1e-2
    assert stage.validate(teacher)["likeness"] > 70


def test_the_gradient_reaches_both_halves_of_the_lighter_one_alone(arrays):
    teacher, own = tokenizer(), tokenizer()
    stage = objective(arrays, teacher)
    stage.loss(own, stage.batch(1), 1)[0].backward()
    assert all(p.grad is not None for p in own.parameters())
    assert all(p.grad is None for p in teacher.parameters())


def test_pictures_are_moved_by_parts_of_pixels_and_some_stay(arrays):
    true, shown, _ = objective(arrays, tokenizer()).batch(0)
    stay = [torch.allclose(a, b, atol=1e-5) for a, b in zip(true, shown, strict=True)]
    assert 0 < sum(stay) < len(stay)
    again = objective(arrays, tokenizer()).batch(0)
    assert torch.equal(again[1], shown)


def test_it_learns_and_ends_with_a_world_to_play(arrays, checkpoint, tmp_path):
    """The world keeps all else; its latents change less than they would by another tokenizer."""
    run = tmp_path / "lighter"
    config = quick(steps=150, batch=6, learning_rate=3e-3, bf16=False)
    before = load_checkpoint(checkpoint)
    found = train_lighter(arrays, checkpoint, run, config, QUICK, {"coarse": 12})
    assert any(isinstance(part, SeparableBlock) for part in found.modules())
    after = load_checkpoint(run / "checkpoint")
    assert after.config.tokenizer.separable == 2 and after.config.tokenizer.coarse == 12
    assert torch.equal(after.network.patch.weight, before.network.patch.weight)
    stage = objective(arrays, before.tokenizer)
    fresh = Tokenizer(after.config.tokenizer)
    for name in ("mean", "deviation"):
        getattr(fresh, name).copy_(getattr(before.tokenizer, name))
    learned, drawn = (stage.validate(each) for each in (after.tokenizer, fresh))
    assert learned["off"] < 0.5 * drawn["off"] and learned["psnr"] > drawn["psnr"] + 3
    with pytest.raises(UserError, match="has a tokenizer of these sizes"):
        train_lighter(arrays, run / "checkpoint", tmp_path / "again", config, QUICK, {})


@pytest.mark.parametrize("wrong", [{"noise": -0.1}, {"crop": 0}])
def test_settings_that_cannot_be_are_a_sentence(wrong):
    with pytest.raises(UserError, match="at least"):
        LighteningConfig(**wrong)


def test_a_way_of_nothing_leaves_pictures(monkeypatch):
    monkeypatch.setattr("worldmodel.train.objectives.lightening.STILL", 1.0)
    pictures = torch.rand(2, 3, 16, 48)
    torch.testing.assert_close(moved(pictures, np.random.default_rng(0)), pictures)

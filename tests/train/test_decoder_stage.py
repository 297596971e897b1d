"""The decoder alone: what it is shown, where its gradient goes, and that pictures get sharper."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny import quick, tokenizer, world

from worldmodel.checkpoint import load_checkpoint, save_checkpoint, tokenizer_hash
from worldmodel.data.clips import FrameStore
from worldmodel.errors import UserError
from worldmodel.model.critic import PatchCritic
from worldmodel.train.aside import draw_aside
from worldmodel.train.distilling import train_decoder, train_distilled
from worldmodel.train.judging import dream_figures, judge_world, sharpness
from worldmodel.train.latents import LatentClips, encode_frames
from worldmodel.train.objectives.critics import hinge_loss, hinge_opinion
from worldmodel.train.objectives.decoder_stage import (
    DecoderConfig,
    DecoderDuel,
    DecoderStage,
    Pool,
)
from worldmodel.train.objectives.distil_config import DistilConfig


def stage(arrays, **changes):
    torch.manual_seed(0)
    tokens, store = tokenizer(), FrameStore(arrays / "train")
    clips = LatentClips(store, encode_frames(store, tokens, quick(bf16=False)), None)
    rows = np.array([[3, 4], [9, 10]])
    pool = Pool(torch.from_numpy(clips.latents[rows]).float() + 100, rows)
    judged = draw_aside(store, tokens, 2, 4)
    config = DecoderConfig(**{"crop": 16, "critic": 0.1} | changes)
    return tokens, DecoderStage(clips, pool, judged, world(), None, {}, quick(batch=6), config)


def test_half_of_the_latents_are_dreamed_and_all_have_their_true_pictures(arrays):
    _, chosen = stage(arrays, noise=0.0)
    latents, pictures, trust = chosen.batch(0)
    dreamed = latents.mean(dim=(1, 2)) > 50
    assert dreamed.tolist() == [False] * 3 + [True] * 3
    assert trust.tolist() == [1.0] * 3 + [pytest.approx(0.3)] * 3
    frames = torch.from_numpy(chosen.clips.store.frames[[3, 4, 9, 10]]).movedim(-1, 1) / 255
    assert all((picture == frames).flatten(1).all(1).any() for picture in pictures[dreamed])
    again = chosen.batch(0)
    assert all(torch.equal(a, b) for a, b in zip((latents, pictures, trust), again, strict=True))


def test_the_gradient_reaches_the_decoder_and_the_critic_and_nothing_else(arrays):
    tokens, chosen = stage(arrays)
    network = DecoderDuel(tokens, PatchCritic(width=4))
    chosen.loss(network, chosen.batch(0), 0)[0].backward()
    learning = {name for name, p in network.named_parameters() if p.grad is not None}
    wanted = {name for name, _ in network.named_parameters() if "encoder" not in name}
    assert learning == wanted and all(p.grad is None for p in chosen.world.parameters())


def test_critic_and_student_each_learn_from_their_own_loss():
    critic, made = PatchCritic(width=4), torch.rand(2, 3, 16, 16, requires_grad=True)
    hinge_opinion(critic, made).backward()
    assert made.grad.any() and all(p.grad is None for p in critic.parameters())
    made.grad = None
    hinge_loss(critic, torch.rand(2, 3, 16, 16), made).backward()
    assert made.grad is None and all(p.grad is not None for p in critic.parameters())


def test_a_critic_learns_to_tell_noise_from_stripes():
    torch.manual_seed(0)
    critic, stripes = PatchCritic(width=8), (torch.arange(16) % 2.0).expand(4, 3, 16, 16)
    optimiser = torch.optim.Adam(critic.parameters(), 3e-3)
    for _ in range(30):
        hinge_loss(critic, stripes, torch.rand(4, 3, 16, 16)).backward()
        optimiser.step()
        optimiser.zero_grad()
    with torch.no_grad():
        assert critic(stripes).mean() > 0.5 > -0.5 > critic(torch.rand(4, 3, 16, 16)).mean()


def test_a_run_makes_pictures_better_and_leaves_encoder_and_world(arrays, checkpoint, tmp_path):
    before = judge_world(arrays, checkpoint, clips=2)
    config = quick(steps=40, batch=8, bf16=False, ema=0.9, learning_rate=3e-3, log_every=100)
    decoder = DecoderConfig(pool=4, depth=2, noise=0.1, perceptual=0.0)
    train_decoder(arrays, checkpoint, tmp_path, config, decoder)
    old, new = load_checkpoint(checkpoint), load_checkpoint(tmp_path / "checkpoint")
    for name, tensor in new.tokenizer.state_dict().items():
        assert torch.equal(tensor, old.tokenizer.state_dict()[name]) == ("decoder" not in name)
    kept = zip(new.network.parameters(), old.network.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in kept)
    after = judge_world(arrays, tmp_path / "checkpoint", clips=2)
    assert after["over_repeat_1"] > before["over_repeat_1"] + 0.3
    assert (tmp_path / "pool.safetensors").is_file()


def test_a_distilled_world_is_a_checkpoint_that_knows_its_jumps(arrays, checkpoint, tmp_path):
    config = quick(steps=2, batch=2, bf16=False)
    distil = DistilConfig(objective="shortcut", clip=6, frames=2, looks=3, warm_start=0.6)
    train_distilled(arrays, checkpoint, tmp_path, config, distil)
    made = load_checkpoint(tmp_path / "checkpoint").config
    assert made.world.jumps and (made.play.steps, made.play.warm_start) == (3, 0.6)
    assert not load_checkpoint(checkpoint).config.world.jumps


def test_sharpness_is_the_mean_difference_of_neighbours():
    checks = (torch.arange(8)[:, None] + torch.arange(8)) % 2 * 10
    frames = checks[None, :, :, None].expand(2, 8, 8, 3).to(torch.uint8)
    assert sharpness(frames).tolist() == [10.0, 10.0]
    assert sharpness(torch.full_like(frames, 7)).tolist() == [0.0, 0.0]


def test_truth_is_as_sharp_as_itself_and_above_repeating(arrays):
    judged = draw_aside(FrameStore(arrays / "train"), tokenizer(), 3, 4)
    figures = dream_figures(judged.truth, judged)
    assert figures["sharpness_1"] == figures["sharpness_16"] == 1.0
    assert figures["over_repeat_16"] > 20


def test_judging_draws_a_picture_and_refuses_unknown_features(arrays, checkpoint, tmp_path):
    judge_world(arrays, checkpoint, clips=2, steps=1, warm_start=0.0, picture=tmp_path / "a.png")
    assert (tmp_path / "a.png").is_file()
    with pytest.raises(UserError, match="unknown features 'vgg'; choose one of lite0, lite2"):
        judge_world(arrays, checkpoint, features="vgg")


def test_judging_beside_a_teacher_tells_the_gap_of_few_looks(arrays, checkpoint):
    figures = judge_world(arrays, checkpoint, clips=2, teacher=checkpoint, heldout=True)
    assert figures["gap_2"] == figures["teacher_gap_2"] > 0


def test_a_teacher_of_other_latents_is_refused(arrays, checkpoint, tmp_path):
    source = load_checkpoint(checkpoint)
    with torch.no_grad():
        next(source.tokenizer.encoder.parameters()).add_(1)
    about = replace(source.config, tokenizer_hash=tokenizer_hash(source.tokenizer))
    save_checkpoint(tmp_path, about, source.tokenizer, source.network, source.motion)
    with pytest.raises(UserError, match="has another encoder than the world"):
        judge_world(arrays, checkpoint, clips=2, steps=1, teacher=tmp_path)

"""Objectives of few steps: where their gradient goes, and that they improve what they claim."""

from dataclasses import replace

import pytest
import torch
from tiny import LATENTS, MOVING_WORLD, WORLD, motion, quick, tokenizer, world

from worldmodel.data.clips import FrameStore
from worldmodel.diffusion.schedules import even_times
from worldmodel.errors import UserError
from worldmodel.model.carrier import Carrier
from worldmodel.train.aside import set_aside
from worldmodel.train.judging import dreamed_latents
from worldmodel.train.jumps import with_jumps
from worldmodel.train.latents import LatentClips, carry_frames, encode_frames
from worldmodel.train.loop import train
from worldmodel.train.objectives.distil_config import DistilConfig
from worldmodel.train.objectives.distillation import METHODS, Distillation
from worldmodel.train.objectives.moment import Distilled, aimed, jumped


@pytest.fixture(scope="module")
def parts(arrays):
    """Training clips with motion, and what they are made with."""
    torch.manual_seed(0)
    tokens, mover, exact = tokenizer(), motion(), quick(bf16=False)
    tokens.requires_grad_(False), mover.requires_grad_(False)
    store = FrameStore(arrays / "train")
    latents = encode_frames(store, tokens, exact)
    clips = LatentClips(store, latents, carry_frames(store, latents, tokens, mover, exact))
    return clips, tokens, Carrier(mover, tokens)


def objective(parts, name, *, batch=4, **changes):
    clips, tokens, carrier = parts
    distil = DistilConfig(objective=name, **{"clip": 8, "frames": 3, "horizon": 3} | changes)
    config = quick(batch=batch, bf16=False)
    return Distillation(clips, tokens, carrier, config, distil, WORLD.window)


def pupil(config=MOVING_WORLD):
    torch.manual_seed(2)
    return Distilled(with_jumps(world(config)).train())


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.filterwarnings("ignore:Mismatch dtype")  # norms under autocast
def test_the_gradient_reaches_every_weight_of_the_student_and_nothing_else(parts, name):
    """Under autocast too, which would keep weights cast without gradients."""
    chosen, network = objective(parts, name, perceptual=0.1 * (name == "self_forcing")), pupil()
    with torch.autocast("cpu", torch.bfloat16):
        loss, values = chosen.loss(network, chosen.batch(0), 0)
    loss.backward()
    idle = {n for n, p in network.student.named_parameters() if p.grad is None or not p.grad.any()}
    unknown = {"unknown"}  # what stands for hidden keys: these stages hide none
    assert idle == unknown and values["error"] > 0
    others = network.slow, network.teacher, chosen.tokenizer, chosen.carrier.motion
    assert all(p.grad is None for part in others for p in part.parameters())


@pytest.mark.parametrize("name", METHODS)
def test_draws_are_a_function_of_the_step(parts, name):
    chosen, network = objective(parts, name), pupil()
    with torch.no_grad():
        a, b, c = (float(chosen.loss(network, chosen.batch(0), step)[0]) for step in (3, 3, 4))
    assert a == b != c


def test_jumps_and_what_aims_at_their_ends_are_inverse():
    z, end, tau = torch.randn(5, 3, 2), torch.randn(5, 3, 2), torch.rand(5)
    jump = (1 - tau) * torch.rand(5)
    torch.testing.assert_close(jumped(z, aimed(z, end, tau, jump), tau, jump), end)


@torch.no_grad()
def test_told_of_jumps_a_world_answers_as_before(parts):
    old = world(MOVING_WORLD)
    new, (latents, jump) = with_jumps(old), (torch.randn(2, 5, LATENTS, 4), torch.rand(2, 5))
    keys, tau = torch.ones(2, 5, 6), torch.rand(2, 5)
    assert new.config.jumps and with_jumps(new) is new
    torch.testing.assert_close(
        new(latents, tau, jump, keys), old(latents, tau, jump, keys), rtol=1e-4, atol=1e-4
    )


def drifted(chosen, network):
    """Mean squared error of latents at the eighth and the sixteenth frame on the own output."""
    judged = chosen.judged
    dream = dreamed_latents(
        network.student, chosen.carrier, judged, times=even_times(2), warm_start=0.7
    )
    error = (dream - judged.latents[:, judged.context :]).square().mean(dim=(0, 2, 3))
    return float(error[7]), float(error[15])


def test_own_rollouts_stay_nearer_to_the_truth(parts, tmp_path, monkeypatch):
    """Drift after self-forcing below drift before, and the teacher stays as it was."""
    chosen, network = objective(parts, "self_forcing", batch=4), pupil()
    monkeypatch.setattr(chosen, "validate", lambda network: {})
    monkeypatch.setattr(chosen, "draw", lambda network, path: None)
    before = drifted(chosen, network)
    config = quick(steps=24, batch=4, bf16=False, ema=0.9, learning_rate=3e-3, log_every=100)
    average = train(network, chosen, config, tmp_path)
    after = drifted(chosen, average)
    assert after[0] < 0.8 * before[0] and after[1] < 0.8 * before[1]
    teachers = zip(average.teacher.parameters(), network.teacher.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in teachers)


def test_what_is_chosen_on_is_never_learned_from(parts):
    store = parts[0].store
    learned, aside = set_aside(store.episodes)
    assert learned and aside and not set(learned) & set(aside)
    rows = objective(parts, "shortcut").sampler.starts
    assert rows.max() < aside[0].start
    with pytest.raises(UserError, match="one training episode"):
        set_aside(store.episodes[:1])


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"objective": "magic"}, "unknown objective 'magic'; choose one of shortcut"),
        ({"looks": 0}, "looks must be at least 1, found 0"),
        ({"warm_start": 1.5}, "warm_start must lie in 0 to 1"),
        ({"objective": "self_forcing", "horizon": 14}, "14 can follow; give a longer --clip"),
    ],
)
def test_what_cannot_be_is_a_sentence(parts, changes, sentence):
    with pytest.raises(UserError, match=sentence):
        config = replace(DistilConfig(), **changes)
        Distillation(*parts, quick(), config, WORLD.window)


def test_a_picture_of_truth_and_dream_is_drawn(parts, tmp_path):
    objective(parts, "shortcut").draw(pupil(), tmp_path / "sheet.png")
    assert [path.name for path in tmp_path.iterdir()] == ["sheet.png"]

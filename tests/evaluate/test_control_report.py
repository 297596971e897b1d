"""The whole report on a real, if tiny, world: every section is made, on the path that plays."""

from dataclasses import replace

import numpy as np
import pytest
import tiny
import torch
from strip import SPACE, Strip

from worldmodel.checkpoint import (
    CheckpointConfig,
    save_checkpoint,
    save_network,
    tokenizer_hash,
)
from worldmodel.diffusion.rollout import prefill, rollout
from worldmodel.diffusion.schedules import even_times
from worldmodel.errors import UserError
from worldmodel.evaluate import control_report
from worldmodel.evaluate.control import shuffled_loss
from worldmodel.evaluate.control_report import (
    control_sections,
    load_judges,
    print_sections,
    sections,
)
from worldmodel.evaluate.dreams import dream, setting_of, through_tokenizer
from worldmodel.evaluate.pasts import draw_futures
from worldmodel.model.inverse_dynamics import InverseDynamics, InverseDynamicsConfig
from worldmodel.model.motion import Motion
from worldmodel.model.pose import PoseConfig, PoseRegressor
from worldmodel.play.noise import START, frame_noise
from worldmodel.play.world import load_world
from worldmodel.train.judges import save_idm
from worldmodel.train.places import POSE

pytestmark = pytest.mark.usefixtures("few_draws")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A checkpoint of the strip with random weights, and both judges in its folder."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("checkpoint")
    sizes = replace(tiny.MOVING_WORLD, controls=SPACE.size)
    tokens, network = tiny.tokenizer(), tiny.world(sizes)
    mover = tiny.stirred(Motion(replace(tiny.MOTION, controls=SPACE.size))).eval()
    about = CheckpointConfig(
        title="Strip", game="strip", licence="none", fps=17.5, controls=SPACE,
        tokenizer=tiny.TOKENIZER, tokenizer_hash=tokenizer_hash(tokens), world=sizes,
    )  # fmt: skip
    save_checkpoint(folder, about, tokens, network, mover)
    keys = InverseDynamicsConfig(
        buttons=SPACE.buttons, height=32, width=64, features=8, code=8, reach=1
    )
    save_idm(folder, InverseDynamics(keys), SPACE)
    places = PoseConfig(game="strip", height=4, width=12, components=8)
    save_network(folder / POSE, PoseRegressor(places))
    return folder


def test_every_section_is_made_with_the_game(folder, strip_arrays, monkeypatch, capsys):
    monkeypatch.setattr(control_report, "open_game", lambda name, size: Strip())
    made = control_sections(folder, strip_arrays, clips=4, forks=3, speed="plain")
    titles = ["Control", "Response to each key", "Truth by counterfactual", "A full turn"]
    assert [section.title for section in made] == titles
    by_title = dict(zip(titles, made, strict=True))
    assert (
        by_title["Control"].figures["loss under another clip's keys over the true ones"].clips == 4
    )
    own = by_title["A full turn"].figures
    assert (
        own["PSNR to the beginning, true game"].value > own["PSNR to the beginning, dreams"].value
    )
    assert "median error of angle, frame 16, dreams" in by_title["Truth by counterfactual"].figures
    print_sections(made)
    assert "flash: recall, dreams" in capsys.readouterr().out


def test_without_the_game_the_rest_is_made_and_it_is_said(folder, strip_arrays, capsys):
    made = control_sections(folder, strip_arrays, clips=3, speed="plain")
    assert [section.title for section in made] == ["Control", "Response to each key"]
    assert "without the true game: There is no game" in capsys.readouterr().out


def test_one_part_can_be_asked_for(folder, strip_arrays):
    (section,) = control_sections(folder, strip_arrays, clips=3, only="response", speed="plain")
    assert section.title == "Response to each key"
    with pytest.raises(UserError, match="no part 'speed'; choose one of keys, response"):
        control_sections(folder, strip_arrays, only="speed")


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"clips": 1}, "clips must be at least 2, found 1"),
        ({"forks": 1}, "forks must be at least 2, or 0 for none, found 1"),
        ({"steps": 0}, "steps must be at least 1, found 0"),
    ],
)
def test_too_little_is_one_sentence(folder, strip_arrays, given, sentence):
    with pytest.raises(UserError, match=sentence):
        control_sections(folder, strip_arrays, speed="plain", **given)


def test_a_regressor_of_another_map_is_refused(folder, strip_arrays, tmp_path):
    save_network(tmp_path / POSE, PoseRegressor(PoseConfig(game="maze")))
    with pytest.raises(UserError, match=r"knows maze, the data are of strip.*train pose"):
        control_sections(folder, strip_arrays, pose=tmp_path)


def test_longer_dreams_begin_as_shorter_ones_and_keys_matter(folder, heldout):
    world = load_world(folder, "cpu", "plain")
    pasts, futures = draw_futures(heldout, 5, 6, 3)
    long = dream(world, pasts, futures.controls)
    assert long.shape == (3, 6, 16, 48, 3) and long.dtype == torch.uint8
    assert torch.equal(long[:, :2], dream(world, pasts, futures.controls[:, :2]))
    other = dream(world, pasts, 1 - futures.controls)
    assert not torch.equal(long, other)
    assert not torch.equal(long, dream(world, pasts, futures.controls, seed=1))


@torch.inference_mode()
def test_a_dream_is_the_networks_rollout(folder, heldout):
    """The same frames by two roads: frame by frame, and as training rolls out, decoded at last."""
    world = load_world(folder, "cpu", "plain")
    pasts, futures = draw_futures(heldout, 4, 5, 3)
    found = dream(world, pasts, futures.controls, setting=setting_of(world.config.play, 3))
    shape = world.config.world.grid[0] * world.config.world.grid[1], tiny.TOKENIZER.latent_channels
    noise = [[frame_noise(shape, seed, t + 1, START) for t in range(5)] for seed in range(3)]
    cache = world.network.empty_cache(3)
    latents = torch.stack([world.tokenizer.encode(clip) for clip in pasts.frames])
    prefill(world.network, cache, latents, pasts.controls, world.carrier)
    noise = torch.stack([torch.stack(each) for each in noise])
    made = rollout(
        world.network, cache, futures.controls, noise, carrier=world.carrier, times=even_times(3),
        clamp=world.tokenizer.clamp,
    )  # fmt: skip
    shown = torch.stack([world.tokenizer.decode(each) for each in made])
    assert torch.equal(found, shown)


def test_a_world_that_is_loaded_is_judged_as_its_folder_is(folder, strip_arrays, heldout):
    world = load_world(folder, "cpu", "plain")
    (first,) = control_sections(folder, strip_arrays, clips=4, only="keys", speed="plain")
    (second,) = sections(
        world, heldout, load_judges(folder, heldout), clips=4, forks=0, parts=("keys",),
        setting=setting_of(world.config.play),
    )  # fmt: skip
    assert repr(first.figures) == repr(second.figures)  # some are no number


def test_the_training_loss_is_that_of_the_plain_network(folder, heldout, monkeypatch):
    """Rewrites for speed take one frame at a time; whole clips go through what was trained."""
    world = load_world(folder, "cpu", "plain")
    pasts, futures = draw_futures(heldout, 5, 16, 3)
    expected = shuffled_loss(world, pasts, futures)
    rewritten = lambda *_: pytest.fail("a rewrite was asked")
    monkeypatch.setitem(vars(world.network), "predict", rewritten)
    assert shuffled_loss(world, pasts, futures) == expected
    assert world.network.predict is rewritten


def test_pasts_and_futures_are_what_was_recorded(heldout):
    pasts, futures = draw_futures(heldout, 5, 6, 4)
    whole = torch.cat([pasts.frames, futures.frames], dim=1)
    for clip, seed in zip(whole.numpy(), pasts.seeds, strict=True):
        span = next(e for e in heldout.episodes if e.seed == seed)
        starts = range(span.start, span.stop - 10)
        assert any(np.array_equal(heldout.frames[i : i + 11], clip) for i in starts)


def test_through_the_tokenizer_is_encoded_and_decoded(folder, heldout):
    world = load_world(folder, "cpu", "plain")
    frames = torch.from_numpy(np.array(heldout.frames[:2]))
    expected = world.tokenizer.decode(world.tokenizer.encode(frames))
    assert torch.equal(through_tokenizer(world, frames[None])[0], expected)

"""The whole report on a real, if tiny, world: every section is made, on the path that plays."""

from dataclasses import replace

import numpy as np
import pytest
import tiny
import torch
from strip import SPACE, Strip

from worldmodel.checkpoint import (
    CheckpointConfig,
    load_checkpoint,
    save_checkpoint,
    save_network,
    tokenizer_hash,
)
from worldmodel.errors import UserError
from worldmodel.evaluate import control_report
from worldmodel.evaluate.control_report import control_sections, print_sections
from worldmodel.evaluate.dreaming import draw_futures, dream, through_tokenizer
from worldmodel.model.inverse_dynamics import InverseDynamics, InverseDynamicsConfig
from worldmodel.model.motion import Motion
from worldmodel.model.pose import PoseConfig, PoseRegressor
from worldmodel.train.judges import POSE, save_idm

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
    places = PoseConfig(game="strip", height=16, width=48, features=4, code=8)
    save_network(folder / POSE, PoseRegressor(places))
    return folder


def test_every_section_is_made_with_the_game(folder, strip_arrays, monkeypatch, capsys):
    monkeypatch.setattr(control_report, "open_game", lambda name, size: Strip())
    sections = control_sections(folder, strip_arrays, clips=4, forks=3)
    titles = ["Control", "Response to each key", "Truth by counterfactual", "A full turn"]
    assert [section.title for section in sections] == titles
    by_title = dict(zip(titles, sections, strict=True))
    assert (
        by_title["Control"].figures["loss under another clip's keys over the true ones"].clips == 4
    )
    own = by_title["A full turn"].figures
    assert (
        own["PSNR to the beginning, true game"].value > own["PSNR to the beginning, dreams"].value
    )
    assert "median error of angle, frame 16, dreams" in by_title["Truth by counterfactual"].figures
    print_sections(sections)
    assert "flash: recall, dreams" in capsys.readouterr().out


def test_without_the_game_the_rest_is_made_and_it_is_said(folder, strip_arrays, capsys):
    sections = control_sections(folder, strip_arrays, clips=3)
    assert [section.title for section in sections] == ["Control", "Response to each key"]
    assert "without the true game: There is no game" in capsys.readouterr().out


def test_one_part_can_be_asked_for(folder, strip_arrays):
    (section,) = control_sections(folder, strip_arrays, clips=3, only="response")
    assert section.title == "Response to each key"
    with pytest.raises(UserError, match="no part 'speed'; choose one of keys, response"):
        control_sections(folder, strip_arrays, only="speed")


def test_a_regressor_of_another_map_is_refused(folder, strip_arrays, tmp_path):
    save_network(tmp_path / POSE, PoseRegressor(PoseConfig(game="maze", height=16, width=16)))
    with pytest.raises(UserError, match=r"knows maze, the data are of strip.*train pose"):
        control_sections(folder, strip_arrays, pose=tmp_path)


def test_longer_dreams_begin_as_shorter_ones_and_keys_matter(folder, heldout):
    world = load_checkpoint(folder)
    pasts, futures = draw_futures(heldout, 5, 6, 3)
    long = dream(world, pasts, futures.controls)
    assert long.shape == (3, 6, 16, 48, 3) and long.dtype == torch.uint8
    assert torch.equal(long[:, :2], dream(world, pasts, futures.controls[:, :2]))
    other = dream(world, pasts, 1 - futures.controls)
    assert not torch.equal(long, other)
    assert not torch.equal(long, dream(world, pasts, futures.controls, seed=1))


def test_pasts_and_futures_are_what_was_recorded(heldout):
    pasts, futures = draw_futures(heldout, 5, 6, 4)
    whole = torch.cat([pasts.frames, futures.frames], dim=1)
    for clip, seed in zip(whole.numpy(), pasts.seeds, strict=True):
        span = next(e for e in heldout.episodes if e.seed == seed)
        starts = range(span.start, span.stop - 10)
        assert any(np.array_equal(heldout.frames[i : i + 11], clip) for i in starts)


def test_through_the_tokenizer_is_encoded_and_decoded(folder, heldout):
    world = load_checkpoint(folder)
    frames = torch.from_numpy(np.array(heldout.frames[:2]))
    expected = world.tokenizer.decode(world.tokenizer.encode(frames))
    assert torch.equal(through_tokenizer(world, frames[None])[0], expected)

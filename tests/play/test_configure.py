"""Settings of a finished world that need no training are changed, and nothing else is."""

import dataclasses

import numpy as np
import pytest
import torch
from playing import save_world
from room import atlas as room_atlas
from room import finder

from worldmodel.checkpoint import (
    ATLAS,
    MOTION,
    OUTPAINTER,
    POSE,
    load_checkpoint,
    load_outpainter,
    save_network,
)
from worldmodel.configure import configure
from worldmodel.errors import UserError
from worldmodel.model.exemplars import of_pictures
from worldmodel.play.world import load_world


@pytest.fixture
def moving(tmp_path):
    return save_world(tmp_path / "moving", moving=True)


def test_settings_change_and_weights_do_not(moving):
    before = load_checkpoint(moving)
    configure(moving, {"title": "Hall"}, {"rest": 0.5}, {"offscreen": (1, 2), "detail": True})
    after = load_checkpoint(moving)
    assert (after.config.title, after.config.play.rest) == ("Hall", 0.5)
    assert after.config.play.steps == before.config.play.steps
    assert (after.motion.config.offscreen, after.motion.config.detail) == ((1, 2), True)
    for part in ("network", "motion", "tokenizer"):
        kept = getattr(before, part).state_dict()
        for name, weight in getattr(after, part).state_dict().items():
            assert torch.equal(weight, kept[name]), name


def test_another_motion_network_takes_its_place(moving, tmp_path):
    other = save_world(tmp_path / "other", moving=True, momentum=True)
    configure(moving, {}, {}, {"bend": 0.3}, other / MOTION)
    config = load_checkpoint(moving).motion.config
    assert config.momentum and config.bend == 0.3


def test_an_outpainter_is_put_into_a_world_and_stays_there(moving, tmp_path):
    painter = save_world(tmp_path / "other", moving=True, outpainter=True) / OUTPAINTER
    with pytest.raises(UserError, match="keeps nothing off-screen; give --offscreen"):
        configure(moving, {}, {}, {}, painted_by=painter)
    with pytest.raises(UserError, match="has no outpainter"):
        configure(moving, {}, {}, {}, painting={"looks": 4})
    configure(moving, {}, {}, {"offscreen": (0, 3)}, painted_by=painter)
    configure(moving, {}, {}, {}, painting={"looks": 4, "guidance": 2.0})
    configure(moving, {"title": "Hall"}, {}, {})
    world = load_checkpoint(moving)
    sampled = world.outpainter.config.looks, world.outpainter.config.guidance
    assert sampled == (4, 2.0) and world.config.title == "Hall"
    kept = load_outpainter(painter).state_dict()
    assert all(torch.equal(x, kept[k]) for k, x in world.outpainter.state_dict().items())


def test_damaged_exemplars_are_told_when_a_world_is_loaded_and_not_in_play(tmp_path):
    folder = save_world(tmp_path / "recalling", moving=True, outpainter=True)
    kept = of_pictures([np.zeros((40, 60, 4), np.uint8)] * 2)
    found = load_outpainter(folder / OUTPAINTER).with_exemplars(kept)
    save_network(folder / OUTPAINTER, found)
    load_world(folder, "cpu", "plain")
    found.exemplars.encoded.zero_()
    save_network(folder / OUTPAINTER, found)
    with pytest.raises(UserError, match="exemplar of an outpainter is damaged"):
        load_world(folder, "cpu", "plain")


def test_what_does_not_fit_is_a_sentence(moving, tmp_path):
    with pytest.raises(UserError, match="has no motion network"):
        configure(save_world(tmp_path / "still"), {}, {}, {"detail": True})
    with pytest.raises(UserError, match="than the motion network of"):
        configure(moving, {}, {}, {}, save_world(tmp_path / "b", moving=True, history=2) / MOTION)
    for play, text in (({"steps": 0}, "at least 1"), ({"warm_start": 1.5}, "below 1")):
        with pytest.raises(UserError, match=text):
            configure(moving, {}, play, {})
    with pytest.raises(UserError, match="at least 0"):
        configure(moving, {}, {}, {"bend": -1.0})


def test_a_map_is_put_into_a_world_and_stays_there(moving, tmp_path):
    atlas, game = room_atlas(), load_checkpoint(moving).config.game
    for part, name in ((finder(atlas), POSE), (atlas, ATLAS)):
        part.config = dataclasses.replace(part.config, game=game)
        save_network(tmp_path / name, part)
    with pytest.raises(UserError, match=r"pose\.safetensors is missing"):
        configure(moving, {}, {}, {}, known_by=tmp_path / ATLAS)
    configure(moving, {}, {}, {}, known_by=tmp_path / ATLAS, found_by=tmp_path / POSE)
    configure(moving, {"title": "Hall"}, {}, {})
    found = load_checkpoint(moving)
    assert found.config.title == "Hall"
    assert torch.equal(found.whereabouts.atlas.encoded, atlas.encoded)
    assert load_world(moving, "cpu", "plain").carrier.whereabouts.atlas.config.game == game
    still = save_world(tmp_path / "still")
    with pytest.raises(UserError, match="has no motion network; maps are known in worlds that do"):
        configure(still, {}, {}, {}, known_by=tmp_path / ATLAS)

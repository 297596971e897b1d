"""Presets: whole, distinct, and what they say of themselves is what the networks are."""

import json

import pytest
import torch

from worldmodel import cli
from worldmodel.checkpoint import load_config
from worldmodel.errors import UserError
from worldmodel.evaluate.sizes import ring_bytes, sizes
from worldmodel.model.transformer import WorldTransformer
from worldmodel.presets import PRESETS, cpu, nano, preset_named


@pytest.mark.parametrize("name", PRESETS)
def test_the_networks_of_a_preset_fit_each_other(name):
    preset = preset_named(name)
    grid, channels = preset.tokenizer.grid, preset.tokenizer.latent_channels
    for part in (preset.motion, preset.world):
        assert (part.grid, part.latent_channels) == (grid, channels)
    assert preset.world.history == preset.motion.history
    assert preset.flow.clip > preset.world.window


def test_each_preset_is_larger_than_the_one_before():
    figures = [sizes(make()) for make in PRESETS.values()]
    for key in ("gflop_a_frame", "playing_gb"):
        values = [of[key] for of in figures]
        assert values == sorted(values)
    assert 900 < figures[-1]["million_parameters"]["world"] < 1100


def test_the_shipped_world_has_the_sizes_of_cpu(pytestconfig):
    config = load_config(pytestconfig.rootpath / "checkpoints" / "doom")
    assert (config.tokenizer, config.world) == (cpu().tokenizer, cpu().world)


def test_a_ring_holds_what_is_computed():
    world = nano().world
    memory = WorldTransformer(world).empty_cache().memory
    assert memory.keys.nbytes + memory.values.nbytes == ring_bytes(world)
    assert memory.keys.dtype == torch.float32


def test_they_are_printed_for_people_and_for_programs(capsys):
    assert cli.main(["presets"]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in PRESETS)
    assert cli.main(["presets", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["cpu"]["tokens_a_frame"] == 48


def test_an_unknown_preset_is_a_sentence():
    with pytest.raises(UserError, match="choose one of nano, cpu, small, base, large"):
        preset_named("huge")

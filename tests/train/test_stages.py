"""The two stages end to end on the painter's game: from prepared frames to a playable folder."""

import dataclasses
import json

import pytest
import torch
from tiny import MOTION, MOVING_WORLD, OUTPAINTER, TOKENIZER, WORLD, quick

from worldmodel.checkpoint import load_checkpoint, load_motion, load_tokenizer
from worldmodel.configure import configure
from worldmodel.data.clips import FrameStore
from worldmodel.data.curation.curate import curate
from worldmodel.data.curation.rules import Rules, Still
from worldmodel.data.provenance import read_sources
from worldmodel.errors import UserError
from worldmodel.train.objectives.rectified_flow import FlowConfig
from worldmodel.train.objectives.scored_outpainting import ScoredConfig
from worldmodel.train.outpainting import train_outpainter
from worldmodel.train.stages import train_motion, train_tokenizer, train_world

SIZES = dataclasses.replace(WORLD, grid=(4, 4), latent_channels=1, controls=1)  # data decide these


@pytest.fixture(scope="module")
def tokens(arrays, tmp_path_factory):
    """A run folder with a tokenizer of two updates."""
    run = tmp_path_factory.mktemp("runs") / "tokenizer"
    train_tokenizer(arrays, run, TOKENIZER, quick(steps=2))
    return run


def test_a_tokenizer_is_trained_and_can_be_loaded(tokens):
    loaded = load_tokenizer(tokens / "tokenizer.safetensors")
    assert loaded.config == TOKENIZER and not loaded.training
    assert not torch.equal(loaded.deviation, torch.ones(4))  # it was measured
    lines = [json.loads(line) for line in (tokens / "log.jsonl").read_text().splitlines()]
    assert "psnr" in lines[-1]["heldout"] and "frames_per_second" in lines[0]


@pytest.mark.filterwarnings("ignore:Mismatch dtype between input and weight")  # norms in bf16
def test_a_world_is_trained_and_can_be_loaded(arrays, tokens, tmp_path):
    average = train_world(arrays, tokens, tmp_path, SIZES, quick(steps=2), FlowConfig(clip=8))
    world = load_checkpoint(tmp_path / "checkpoint")
    assert world.config.world == WORLD and world.config.fps == 17.5
    assert world.config.controls.buttons[0] == "left"
    for name, tensor in world.network.state_dict().items():
        assert torch.equal(tensor, average.state_dict()[name].cpu()), name
    assert world.network.rho.abs().max() > 0
    assert list(arrays.glob("*/latents-*.npy"))


def test_a_checkpoint_says_what_its_parts_were_trained_on(arrays, tokens, tmp_path):
    config = quick(steps=1, bf16=False)
    train_world(arrays, tokens, tmp_path, SIZES, config, FlowConfig(clip=8))
    sources = read_sources(tmp_path / "checkpoint")
    assert sources == read_sources(tokens / "tokenizer.safetensors") == read_sources(tokens)
    (source,) = sources  # the same arrays twice
    assert source["split"] == "train" and source["rules"] is None
    assert source["seeds"] == sorted({e.seed for e in FrameStore(arrays / "train").episodes})


def test_the_card_of_a_world_trained_on_a_view_names_its_rules(arrays, tokens, tmp_path):
    curate(arrays, Rules(shortest=9, idle=Still(keep=3)), tmp_path / "view")
    run, config = tmp_path / "run", quick(steps=1, bf16=False)
    train_world(tmp_path / "view", tokens, run, SIZES, config, FlowConfig(clip=8))
    card = (run / "checkpoint" / "card.md").read_text()
    assert 'curated by `{"shortest": 9, "idle": {"below": 0.5, "keep": 3}}`' in card
    assert "every frame" in card  # of the tokenizer


@pytest.fixture(scope="module")
def mover(arrays, tokens, tmp_path_factory):
    """A run folder with a motion network of two updates."""
    run = tmp_path_factory.mktemp("runs") / "motion"
    sizes = dataclasses.replace(MOTION, grid=(4, 4), latent_channels=1, controls=1)
    train_motion(arrays, tokens, run, sizes, quick(steps=2, bf16=False))
    return run


def test_a_motion_network_is_trained_and_can_be_loaded(mover):
    loaded = load_motion(mover / "motion.safetensors")
    assert loaded.config == MOTION and not loaded.training
    lines = [json.loads(line) for line in (mover / "log.jsonl").read_text().splitlines()]
    assert {"psnr", "over_repeat"} <= lines[-1]["heldout"].keys()


@pytest.mark.filterwarnings("ignore:Mismatch dtype between input and weight")  # norms in bf16
def test_a_world_with_motion_is_trained_and_can_be_loaded(arrays, tokens, mover, tmp_path):
    train_world(arrays, tokens, tmp_path, SIZES, quick(steps=2), FlowConfig(clip=8), mover)
    world = load_checkpoint(tmp_path / "checkpoint")
    assert world.config.world == MOVING_WORLD and world.motion.config == MOTION
    kept = load_motion(mover / "motion.safetensors").state_dict()
    for name, tensor in world.motion.state_dict().items():
        assert torch.equal(tensor, kept[name]), name


def test_an_outpainter_begins_with_a_world_and_is_put_into_it(arrays, tokens, mover, tmp_path):
    train_world(arrays, tokens, tmp_path / "run", SIZES, quick(steps=1), FlowConfig(clip=8), mover)
    world = tmp_path / "run" / "checkpoint"
    sizes = dataclasses.replace(OUTPAINTER, grid=(4, 4), latent_channels=1)
    config, out = quick(steps=2, bf16=False), tmp_path / "painter"
    found = train_outpainter(arrays, tokens, out, sizes, config, world / "world.safetensors")
    assert found.config == OUTPAINTER
    configure(world, {}, {}, {"offscreen": (2, 3)}, painted_by=out / "outpainter.safetensors")
    assert load_checkpoint(world).outpainter.config == OUTPAINTER


def test_an_outpainter_goes_on_by_scored_pairs(arrays, tokens, tmp_path):
    sizes = dataclasses.replace(OUTPAINTER, grid=(4, 4), latent_channels=1, looks=2)
    where, config = (arrays, tokens, tmp_path / "scored"), quick(steps=2, save_every=1, bf16=False)
    plain = train_outpainter(arrays, tokens, tmp_path / "plain", sizes, config)
    start = tmp_path / "plain" / "outpainter.safetensors"
    found = train_outpainter(*where, sizes, config, start, ScoredConfig(scored=True))
    assert found.config.looks == 2
    assert not torch.equal(found.head_out.weight, plain.head_out.weight)
    assert '"look_2"' in (where[2] / "log.jsonl").read_text()
    with pytest.raises(UserError, match="started with another scored configuration"):
        train_outpainter(*where, sizes, quick(steps=3, bf16=False), start)


def test_a_world_without_its_motion_network_is_refused_in_a_sentence(arrays, tokens, tmp_path):
    with pytest.raises(UserError, match=r"motion\.safetensors is missing"):
        train_world(arrays, tokens, tmp_path / "run", WORLD, quick(), FlowConfig(), tmp_path)


def test_frames_of_another_size_are_refused_in_a_sentence(arrays, tmp_path):
    other = dataclasses.replace(TOKENIZER, height=32)
    with pytest.raises(UserError, match="are 48x16, the tokenizer is for 48x32; give --height 16"):
        train_tokenizer(arrays, tmp_path, other, quick())


def test_a_run_is_not_resumed_with_other_sizes(arrays, tokens):
    other = dataclasses.replace(TOKENIZER, fine=16)
    with pytest.raises(UserError, match=r"another tokenizer configuration.*another --run folder"):
        train_tokenizer(arrays, tokens, other, quick(steps=2))


def test_a_run_of_an_earlier_version_goes_on(arrays, tokens, tmp_path):
    """What it did not write down, as there was no choice, is as it is by default."""
    run = tmp_path / "motion"
    train_motion(arrays, tokens, run, MOTION, quick(steps=2))
    record = json.loads((run / "config.json").read_text())
    del record["motion"]["offscreen"]
    (run / "config.json").write_text(json.dumps(record))
    other = dataclasses.replace(MOTION, offscreen=(1, 2))
    with pytest.raises(UserError, match="another motion configuration"):
        train_motion(arrays, tokens, run, other, quick(steps=3))
    train_motion(arrays, tokens, run, MOTION, quick(steps=3))


def test_a_world_without_a_tokenizer_is_refused_in_a_sentence(arrays, tmp_path):
    with pytest.raises(UserError, match=r"tokenizer\.safetensors is missing"):
        train_world(arrays, tmp_path, tmp_path / "run", WORLD, quick(), FlowConfig())


def test_data_that_are_not_prepared_are_refused_in_a_sentence(tmp_path):
    with pytest.raises(UserError, match=r"episodes\.json is missing"):
        train_tokenizer(tmp_path, tmp_path / "run", TOKENIZER, quick())

"""A recipe from episodes to a checkpoint with its card: stopped, gone on with, done once."""

import dataclasses
import inspect
import json
from functools import wraps
from importlib import import_module

import pytest
from painter import some_controls, write
from tiny import MOTION, MOVING_WORLD, TOKENIZER, quick

from worldmodel import cli
from worldmodel.checkpoint import load_checkpoint
from worldmodel.errors import UserError
from worldmodel.evaluate.training_flops import update_flops
from worldmodel.presets import nano
from worldmodel.recipes import stages
from worldmodel.recipes.book import RECIPES, Recipe, cpu_doom, recipe_named
from worldmodel.recipes.cook import follow
from worldmodel.recipes.stage import RECORD, Folders, Stage, carry_out, done
from worldmodel.train.objectives.decoder_stage import DecoderConfig
from worldmodel.train.objectives.distil_config import DistilConfig
from worldmodel.train.objectives.rectified_flow import FlowConfig
from worldmodel.train.objectives.scoring import ScoringConfig

CONFIG = quick(steps=4, batch=2, bf16=False)


@pytest.fixture(scope="module")
def episodes(tmp_path_factory):
    """Raw episodes of the painter's game, recorded by somebody."""
    folder = tmp_path_factory.mktemp("episodes")
    for index, split in enumerate(("train", "train", "heldout", "heldout")):
        write(folder / split / f"{index:06d}", some_controls(48, seed=index), seed=index)
    return folder


def tiny_recipe():
    preset = dataclasses.replace(
        nano(), tokenizer=TOKENIZER, motion=MOTION, world=MOVING_WORLD, flow=FlowConfig(clip=8),
        train_tokenizer=CONFIG, train_motion=CONFIG, train_world=CONFIG,
    )  # fmt: skip
    distil = DistilConfig(objective="shortcut", clip=6, frames=2)
    return Recipe(
        about="",
        title="Stripes",
        stages=(
            stages.collecting(),
            stages.preparing(),
            stages.tokenizer("nano", preset),
            stages.motion("nano", preset),
            stages.momentum("nano", preset, CONFIG),
            stages.world("nano", preset, "momentum"),
            stages.scored("world", preset, CONFIG, ScoringConfig()),
            stages.averaged("world", "scoring", 0.5),
            stages.distilled("average", distil, CONFIG),
            stages.decoder("shortcut", CONFIG, DecoderConfig(pool=2, depth=2, perceptual=0.0)),
            stages.scenes("decoder", count=1),
        ),
        last="decoder",
    )


def test_from_raw_episodes_to_a_world_with_its_card(episodes, tmp_path, capsys):
    made = follow(tiny_recipe(), episodes, tmp_path, update_flops, clips=2)
    assert made == tmp_path / "checkpoint"
    world = load_checkpoint(made)
    assert world.config.title == "Stripes" and world.config.world.jumps and world.motion
    assert [path.name for path in (made / "scenes").iterdir()] == ["scene-1"]
    card = (made / "card.md").read_text()
    assert card.startswith("# Stripes\n")
    for said in (
        "96 frames in 2 episodes for training, 96 frames in 2 episodes held out, of painter",
        "no seed is in both",
        f"worldmodel train tokenizer {episodes}/arrays --preset nano --steps 4 ",
        f"--momentum --start {tmp_path}/motion/motion.safetensors --run {tmp_path}/momentum",
        "worldmodel train distil",
        "| world | 4 |",
        "over_repeat_16",
        "Learned from: none",
    ):
        assert said in card
    logs = {path.stem for path in (made / "logs").iterdir()}
    assert logs == {
        "tokenizer", "motion", "momentum", "world", "scoring", "shortcut", "decoder",
    }  # fmt: skip
    capsys.readouterr()
    follow(tiny_recipe(), episodes, tmp_path, update_flops, clips=2)
    told = capsys.readouterr().out
    assert told.count("is done") == 11 and "begins" not in told
    follow_from_world_again(episodes, tmp_path)


@pytest.mark.parametrize("name", RECIPES)
def test_a_stages_command_asks_for_what_the_stage_did(name, tmp_path, monkeypatch):
    """Every command of a shortened recipe but `prepare`, which names no setting, typed again."""
    asked = []
    for module, functions in MAKERS.items():
        for function in functions:
            noted = noting(asked, vars(import_module(module))[function])
            monkeypatch.setattr(f"{module}.{function}", noted)
            monkeypatch.setattr(f"worldmodel.recipes.stages.{function}", noted)
    folders = Folders(tmp_path, tmp_path)
    called = [s for s in recipe_named(name, 0.5).stages if s.name != "prepare"]
    for stage in called:
        stage.make(folders)
        assert cli.main(stage.command(folders).split()[1:]) == 0
        made, typed = asked[-2:]
        assert made == typed, stage.name
    assert len(asked) == 2 * len(called)


MAKERS = {
    "worldmodel.data.collect": ("collect",),
    "worldmodel.train.stages": ("train_tokenizer", "train_motion", "train_world"),
    "worldmodel.train.finishing": ("train_scoring",),
    "worldmodel.train.averaging": ("average_worlds",),
    "worldmodel.train.distilling": ("train_distilled", "train_decoder"),
    "worldmodel.train.scenes": ("write_scenes",),
}


def noting(asked, function):
    """In the place of a function: notes what it is asked for, with what is left to it."""

    @wraps(function)
    def note(*given, **named):
        call = inspect.signature(function).bind(*given, **named)
        call.apply_defaults()
        asked.append(call.arguments)

    return note


def test_a_length_shortens_what_is_trained():
    whole, half = ({s.name: s.updates for s in cpu_doom(n).stages} for n in (1.0, 0.5))
    assert half == {name: updates // 2 for name, updates in whole.items()}
    with pytest.raises(UserError, match="above 0, found 0"):
        recipe_named("nano", 0)


def follow_from_world_again(episodes, folder):
    """A stage whose record is lost is done again from its saved state; later ones stay."""
    before = json.loads((folder / "tokenizer" / RECORD).read_text())
    record = folder / "world" / RECORD
    record.unlink()
    follow(tiny_recipe(), episodes, folder, update_flops, clips=2)
    assert json.loads(record.read_text())["finished"]
    assert json.loads((folder / "tokenizer" / RECORD).read_text()) == before


def test_a_stage_that_was_stopped_is_gone_on_with_and_its_time_added(tmp_path):
    folders, steps = Folders(tmp_path, tmp_path), iter([2, 5])

    def make(folders):
        line = json.dumps({"step": next(steps)})
        (folders.of("world") / "log.jsonl").write_text(f"{line}\n")

    stage = Stage(name="world", command=lambda f: "train it", make=make, updates=5)
    with pytest.raises(KeyboardInterrupt):
        carry_out(stage, folders)
    assert not done(stage, folders)
    path = tmp_path / "world" / RECORD
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | {"seconds": 1000.0}))
    carry_out(stage, folders)
    assert done(stage, folders)
    assert json.loads(path.read_text())["seconds"] > 1000


def test_a_stage_that_is_another_now_is_refused(tmp_path):
    """Its folder holds what another setting made."""
    folders, typed = Folders(tmp_path, tmp_path), iter(["train it", "train it longer"])
    stage = Stage(name="world", command=lambda f: next(typed), make=lambda f: None)
    carry_out(stage, folders)
    with pytest.raises(UserError, match="begun as `train it` and is now `train it longer`"):
        done(stage, folders)


def test_a_stage_that_fails_is_not_done(tmp_path):
    def make(folders):
        raise UserError("no data")

    stage = Stage(name="world", command=lambda f: "train it", make=make)
    with pytest.raises(UserError):
        carry_out(stage, Folders(tmp_path, tmp_path))
    assert not done(stage, Folders(tmp_path, tmp_path))


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_go_on_from_worlds_that_they_have_made(name, tmp_path):
    recipe, folders, made = recipe_named(name), Folders(tmp_path, tmp_path), set()
    for stage in recipe.stages:
        command = stage.command(folders)
        used = {path.split("/")[-2] for path in command.split() if path.endswith("/checkpoint")}
        made.add(stage.name)
        assert command.startswith("worldmodel ") and used <= made
    assert recipe.last in made and len(made) == len(recipe.stages)


def test_an_unknown_recipe_is_a_sentence():
    with pytest.raises(
        UserError, match="unknown recipe 'soup'; choose one of nano, cpu-doom, cpu-coinrun"
    ):
        recipe_named("soup")

"""The commands that go on from a finished world: every field has a flag, every stage gets them."""

import dataclasses
import inspect
from pathlib import Path

import pytest

from worldmodel import cli
from worldmodel.cli import distilling
from worldmodel.errors import UserError
from worldmodel.presets import DECODING, DISTILLING
from worldmodel.train.judging import judge_world
from worldmodel.train.objectives.decoder_stage import DecoderConfig
from worldmodel.train.objectives.distil_config import DistilConfig


def test_every_field_can_be_set():
    for texts, kind in (
        (distilling.DISTIL, DistilConfig),
        (distilling.DECODER, DecoderConfig),
    ):
        assert set(texts) == {field.name for field in dataclasses.fields(kind)}
    assert set(distilling.JUDGE) <= set(inspect.signature(judge_world).parameters)


@pytest.fixture
def asked(monkeypatch):
    """What the stages were asked to do, in place of doing it."""
    seen = []
    for name in ("train_distilled", "train_decoder"):
        monkeypatch.setattr(f"worldmodel.train.distilling.{name}", lambda *g: seen.append(g))
    return seen


def test_flags_change_the_objective_and_its_training(asked):
    words = [
        "distil",
        "data",
        "world",
        "--objective",
        "consistency",
        "--looks",
        "1",
        "--steps",
        "9",
        "--run",
        "there",
    ]
    assert cli.main(["train", *words]) == 0
    assert cli.main(["train", "decoder", "data", "world", "--critic", "0.1"]) == 0
    distil, decoder = asked
    assert distil[:3] == (Path("data"), Path("world"), Path("there"))
    assert distil[3] == dataclasses.replace(DISTILLING, steps=9)
    assert distil[4] == DistilConfig(objective="consistency", looks=1)
    assert decoder[3:] == (DECODING, DecoderConfig(critic=0.1))


def test_a_recipe_has_folders_of_its_name(monkeypatch):
    asked = []
    monkeypatch.setattr("worldmodel.recipes.cook.follow", lambda *given: asked.append(given))
    assert cli.main(["train", "recipe", "nano"]) == 0
    assert (
        cli.main(["train", "recipe", "cpu-doom", "--data", "data/doom", "--run", "runs/again"]) == 0
    )
    assert [given[1:3] for given in asked] == [
        (Path("data/nano"), Path("runs/nano")), (Path("data/doom"), Path("runs/again")),
    ]  # fmt: skip
    assert cli.main(["train", "recipe", "nano", "--length", "0.5"]) == 0
    whole, half = (sum(stage.updates for stage in asked[i][0].stages) for i in (0, 2))
    assert half == whole / 2
    with pytest.raises(SystemExit):
        cli.main(["train", "recipe", "soup"])


def test_a_stopped_recipe_is_an_interruption(monkeypatch, capsys):
    def stopped(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr("worldmodel.recipes.cook.follow", stopped)
    assert cli.main(["train", "recipe", "nano"]) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_impossible_shares_are_a_sentence():
    with pytest.raises(UserError, match="predicted must lie in 0 to 1"):
        DecoderConfig(predicted=2.0)

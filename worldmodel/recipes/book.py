"""The recipes by name."""

from collections.abc import Callable
from dataclasses import dataclass

from worldmodel.errors import UserError
from worldmodel.presets import cpu, nano
from worldmodel.recipes import stages
from worldmodel.recipes.stage import Stage
from worldmodel.train.config import TrainConfig
from worldmodel.train.objectives.decoder_stage import DecoderConfig
from worldmodel.train.objectives.distil_config import DistilConfig


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A named list of stages, the last of which gives a world its scenes."""

    about: str
    title: str
    stages: tuple[Stage, ...]
    last: str  # the stage whose checkpoint is the recipe's


def nano_doom() -> Recipe:
    """Every kind of stage in a few minutes: to see them all at work, not to play."""
    preset = nano()
    quick = TrainConfig(steps=20, batch=2, learning_rate=1e-3, warmup=5, log_every=10, bf16=False)
    return Recipe(
        about="every stage in minutes, to see them at work",
        title="Doom, a moment",
        stages=(
            stages.collecting(frames=1500, heldout_frames=400, shortest=100, longest=160),
            stages.preparing(),
            stages.tokenizer("nano", preset),
            stages.motion("nano", preset),
            stages.world("nano", preset),
            stages.distilled(
                "world", DistilConfig(objective="shortcut", clip=8, frames=2), quick
            ),
            stages.decoder("shortcut", quick, DecoderConfig(pool=4, depth=2)),
            stages.scenes("decoder", count=1),
        ),
        last="decoder",
    )  # fmt: skip


def cpu_doom() -> Recipe:
    """The shipped world's stages. Those that go on from it have yet to earn a place (docs)."""
    preset = cpu()
    return Recipe(
        about="a Doom world on two processor cores, in an afternoon",
        title="Doom: My Way Home",
        stages=(
            stages.collecting(),
            stages.preparing(),
            stages.tokenizer("cpu", preset),
            stages.motion("cpu", preset),
            stages.world("cpu", preset),
            stages.scenes("world", count=8),
        ),
        last="world",
    )


RECIPES: dict[str, Callable[[], Recipe]] = {"nano": nano_doom, "cpu-doom": cpu_doom}


def recipe_named(name: str) -> Recipe:
    """The recipe of that name; raises UserError when there is none."""
    if name not in RECIPES:
        raise UserError(f"unknown recipe {name!r}; choose one of {', '.join(RECIPES)}")
    return RECIPES[name]()

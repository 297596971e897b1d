"""The recipes by name."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from worldmodel.errors import UserError
from worldmodel.presets import FINISHING, Preset, cpu, nano
from worldmodel.recipes import stages
from worldmodel.recipes.stage import Stage
from worldmodel.train.config import TrainConfig
from worldmodel.train.objectives.decoder_stage import DecoderConfig
from worldmodel.train.objectives.distil_config import DistilConfig
from worldmodel.train.objectives.scoring import ScoringConfig


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A named list of stages, the last of which gives a world its scenes."""

    about: str
    title: str
    stages: tuple[Stage, ...]
    last: str  # the stage whose checkpoint is the recipe's


def nano_doom(length: float = 1.0) -> Recipe:
    """Every kind of stage in a few minutes: to see them all at work, not to play."""
    preset = _shortened(nano(), length)
    quick = TrainConfig(steps=20, batch=2, learning_rate=1e-3, warmup=5, log_every=10, bf16=False)
    quick = shortened(quick, length)
    return Recipe(
        about="every kind of stage in minutes, to see them at work",
        title="Doom, a moment",
        stages=(
            stages.collecting(frames=1500, heldout_frames=400, shortest=100, longest=160),
            stages.preparing(),
            stages.tokenizer("nano", preset),
            stages.motion("nano", preset),
            stages.world("nano", preset),
            stages.scored("world", preset, quick, ScoringConfig()),
            stages.averaged("world", "scoring", 0.75),
            stages.distilled(
                "average", DistilConfig(objective="shortcut", clip=8, frames=2), quick
            ),
            stages.decoder("shortcut", quick, DecoderConfig(pool=4, depth=2)),
            stages.scenes("decoder", count=1),
        ),
        last="decoder",
    )  # fmt: skip


def cpu_doom(length: float = 1.0) -> Recipe:
    """The shipped Doom's stages. Who turns wants much beside the picture, and nothing above it."""
    preset = _shortened(cpu(), length)
    preset = replace(preset, motion=replace(preset.motion, offscreen=(0, 20)))
    return Recipe(
        about="a Doom world on two processor cores, in an afternoon",
        title="Doom: My Way Home",
        stages=(
            stages.collecting(),
            stages.preparing(),
            stages.tokenizer("cpu", preset),
            stages.motion("cpu", preset),
            stages.world("cpu", preset),
            stages.scored("world", preset, shortened(SCORING, length), ScoringConfig()),
            stages.averaged("world", "scoring", 0.75),
            stages.scenes("average", count=8),
        ),
        last="average",
    )


def cpu_coinrun(length: float = 1.0) -> Recipe:
    """The shipped CoinRun's stages, none of which begins with another world's weights."""
    preset = _shortened(cpu(), length)
    felt = replace(cpu().train_motion, steps=1500, learning_rate=2e-3)
    farther = replace(preset, flow=replace(preset.flow, clip=24))
    scoring = shortened(replace(SCORING, batch=3), length)
    return Recipe(
        about="a CoinRun world on two processor cores, in an afternoon",
        title="CoinRun",
        stages=(
            stages.collecting(
                game="procgen/coinrun", frames=130_000, heldout_frames=10_000, shortest=120,
                longest=260,
            ),
            stages.preparing(),
            stages.tokenizer("cpu", preset),
            stages.motion("cpu", preset),
            stages.momentum("cpu", preset, shortened(felt, length), bend=0.3, stays=6.0),
            stages.world("cpu", preset, "momentum"),
            stages.scored("world", farther, scoring, ScoringConfig(rounds=3)),
            stages.averaged("world", "scoring", 0.5),
            stages.scenes("average", count=8),
        ),
        last="average",
    )  # fmt: skip


SCORING = replace(FINISHING, steps=800, batch=4, learning_rate=5e-4, warmup=20, ema=0.98)


def shortened(config: TrainConfig, length: float) -> TrainConfig:
    """The same training with `length` times its updates, those of its warm-up too."""
    steps, warmup = (max(round(length * n), 1) for n in (config.steps, config.warmup))
    return replace(config, steps=steps, warmup=warmup)


def _shortened(preset: Preset, length: float) -> Preset:
    parts = ("train_tokenizer", "train_motion", "train_world")
    return replace(preset, **{part: shortened(vars(preset)[part], length) for part in parts})


RECIPES: dict[str, Callable[[float], Recipe]] = {
    "nano": nano_doom,
    "cpu-doom": cpu_doom,
    "cpu-coinrun": cpu_coinrun,
}


def recipe_named(name: str, length: float = 1.0) -> Recipe:
    """The recipe of that name, its trainings `length` times as long.

    Raises UserError when there is none, or for a length that is not above 0.
    """
    if name not in RECIPES:
        raise UserError(f"unknown recipe {name!r}; choose one of {', '.join(RECIPES)}")
    if not 0 < length < float("inf"):
        raise UserError(f"the length must be a number above 0, found {length}; 1 is the recipe's")
    return RECIPES[name](length)

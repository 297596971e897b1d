"""Makers of stages: each a function of its settings."""

from dataclasses import replace
from pathlib import Path

from worldmodel.checkpoint import MOTION
from worldmodel.data.collect import collect
from worldmodel.data.prepare import prepare
from worldmodel.presets import DECODING, DISTILLING, FINISHING, Preset, cpu, preset_named
from worldmodel.recipes.stage import Folders, Stage
from worldmodel.train.averaging import average_worlds
from worldmodel.train.config import TrainConfig
from worldmodel.train.distilling import train_decoder, train_distilled
from worldmodel.train.finishing import train_scoring
from worldmodel.train.objectives.decoder_stage import DecoderConfig
from worldmodel.train.objectives.distil_config import DistilConfig
from worldmodel.train.objectives.photometric import PhotometricConfig
from worldmodel.train.objectives.scoring import ScoringConfig
from worldmodel.train.scenes import write_scenes
from worldmodel.train.stages import train_motion, train_tokenizer, train_world


def collecting(**settings: object) -> Stage:
    """Episodes, where there are none that somebody else recorded."""

    def make(folders: Folders) -> None:
        recorded = any(folders.data.glob("train/[!.]*/meta.json"))
        if (folders.data / "collection.json").is_file() or not recorded:
            collect(folders.data, **settings)

    flags = _flags(settings)
    return Stage(name="collect", command=lambda f: f"worldmodel collect {f.data}{flags}", make=make)


def preparing() -> Stage:
    return Stage(
        name="prepare",
        command=lambda f: f"worldmodel prepare {f.data}",
        make=lambda f: prepare(f.data, f.arrays),
    )


def tokenizer(name: str, preset: Preset) -> Stage:
    """The tokenizer of a preset, for frames of the data's size."""
    config = preset.train_tokenizer
    flags = _training(name, config, preset_named(name).train_tokenizer)
    return Stage(
        name="tokenizer",
        command=lambda f: f"worldmodel train tokenizer {f.arrays}{flags} --run {f.of('tokenizer')}",
        make=lambda f: train_tokenizer(f.arrays, f.of("tokenizer"), preset.tokenizer, config),
        updates=config.steps,
        flops={"kind": "tokenizer", "batch": config.batch},
    )


def motion(name: str, preset: Preset) -> Stage:
    """The motion network of a preset."""
    return _motion("motion", name, preset, preset.train_motion, None)


def momentum(
    name: str, preset: Preset, config: TrainConfig, bend: float = 0.0, stays: float = 0.0
) -> Stage:
    """The motion network trained on with momentum, being told its own last flow; what `bend`s more
    is not known, and what `stays` is weighed so much.
    """
    sizes = replace(preset.motion, momentum=True, bend=bend)
    return _motion("momentum", name, replace(preset, motion=sizes), config, "motion", stays)


def _motion(
    stage: str, name: str, preset: Preset, config: TrainConfig, before: str | None,
    stays: float = 0.0,
) -> Stage:  # fmt: skip
    """A motion network, begun with that of the stage `before` if one is named."""
    usual = preset_named(name)
    own = _flags(_changes(preset.motion, usual.motion) | ({"stays": stays} if stays else {}))
    flags = _training(name, config, usual.train_motion) + own

    def begun(folders: Folders) -> Path | None:
        return folders.of(before) / MOTION if before else None

    def command(f: Folders) -> str:
        start = f" --start {begun(f)}" if before else ""
        tokens = f.of("tokenizer")
        return f"worldmodel train motion {f.arrays} {tokens}{flags}{start} --run {f.of(stage)}"

    return Stage(
        name=stage,
        command=command,
        make=lambda f: train_motion(
            f.arrays,
            f.of("tokenizer"),
            f.of(stage),
            preset.motion,
            config,
            begun(f),
            PhotometricConfig(stays=stays),
        ),
        updates=config.steps,
        flops={"kind": "motion", "batch": config.batch, "momentum": preset.motion.momentum},
    )


def world(name: str, preset: Preset, mover: str = "motion") -> Stage:
    """The world of a preset, moved by the network of the stage `mover`."""
    config, flow = preset.train_world, preset.flow
    flags = _training(name, config, preset_named(name).train_world)
    return Stage(
        name="world",
        command=lambda f: (
            f"worldmodel train world {f.arrays} {f.of('tokenizer')} "
            f"--motion {f.of(mover)}{flags} --run {f.of('world')}"
        ),
        make=lambda f: train_world(
            f.arrays, f.of("tokenizer"), f.of("world"), preset.world, config, flow, f.of(mover)
        ),
        updates=config.steps,
        flops={"kind": "world", "batch": config.batch, "clip": flow.clip},
    )


def scored(after: str, preset: Preset, config: TrainConfig, scoring: ScoringConfig) -> Stage:
    """Scores of dreams, from the world that the stage `after` ended with."""
    flow = preset.flow
    changes = _changes(config, FINISHING) | _changes(flow, cpu().flow)
    flags = _flags(changes | _changes(scoring, ScoringConfig()))
    return Stage(
        name="scoring",
        command=lambda f: f"worldmodel train scoring {f.arrays} {f.world(after)}{flags} "
        f"--run {f.of('scoring')}",
        make=lambda f: train_scoring(
            f.arrays, f.world(after), f.of("scoring"), config, flow, scoring
        ),
        updates=config.steps,
        flops={
            "kind": "scoring", "batch": config.batch, "clip": flow.clip, "keep": scoring.keep,
            "rounds": scoring.rounds,
        },
    )  # fmt: skip


def averaged(first: str, second: str, share: float) -> Stage:
    """The weights of two stages' worlds together."""
    return Stage(
        name="average",
        command=lambda f: (
            f"worldmodel average {f.world(first)} {f.world(second)} "
            f"{f.world('average')} --share {share:g}"
        ),
        make=lambda f: average_worlds(f.world(first), f.world(second), f.world("average"), share),
    )


def distilled(after: str, distil: DistilConfig, config: TrainConfig) -> Stage:
    """Few looks, from the world that the stage `after` ended with."""
    own = {"objective": distil.objective} | _changes(distil, DistilConfig())
    flags = _flags(own | _changes(config, DISTILLING))
    return Stage(
        name=distil.objective,
        command=lambda f: (
            f"worldmodel train distil {f.arrays} {f.world(after)}{flags} "
            f"--run {f.of(distil.objective)}"
        ),
        make=lambda f: train_distilled(
            f.arrays, f.world(after), f.of(distil.objective), config, distil
        ),
        updates=config.steps,
        flops={"kind": "distil", "batch": config.batch, "distil": distil},
    )


def decoder(after: str, config: TrainConfig, settings: DecoderConfig) -> Stage:
    """The decoder alone, of the world that the stage `after` ended with."""
    flags = _flags(_changes(settings, DecoderConfig()) | _changes(config, DECODING))
    return Stage(
        name="decoder",
        command=lambda f: f"worldmodel train decoder {f.arrays} {f.world(after)}{flags} "
        f"--run {f.of('decoder')}",
        make=lambda f: train_decoder(
            f.arrays, f.world(after), f.of("decoder"), config, settings
        ),
        updates=config.steps,
        flops={"kind": "decoder", "batch": config.batch},
    )  # fmt: skip


def scenes(after: str, count: int) -> Stage:
    """Opening scenes for the world that the stage `after` ended with."""
    return Stage(
        name="scenes",
        command=lambda f: f"worldmodel scenes {f.arrays} {f.world(after)} --count {count}",
        make=lambda f: write_scenes(f.arrays, f.world(after), count=count, rows={}),
    )


def _training(name: str, config: TrainConfig, usual: TrainConfig) -> str:
    """--preset, and the flags by which this training differs from that of the preset."""
    return f" --preset {name}" + _flags(_changes(config, usual))


def _changes(config: object, usual: object) -> dict[str, object]:
    """Fields of a dataclass that differ from the usual one."""
    return {name: value for name, value in vars(config).items() if value != vars(usual)[name]}


def _flags(settings: dict[str, object]) -> str:
    return "".join(_flag(name.replace("_", "-"), value) for name, value in settings.items())


def _flag(name: str, value: object) -> str:
    if isinstance(value, bool):
        return f" --{name}" if value else f" --no-{name}"
    if isinstance(value, float):
        return f" --{name} {value:g}"
    return f" --{name} {' '.join(map(str, value)) if isinstance(value, tuple) else value}"

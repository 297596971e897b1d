"""Makers of stages: each a function of its settings."""

from worldmodel.data.collect import collect
from worldmodel.data.prepare import prepare
from worldmodel.presets import DECODING, DISTILLING, Preset
from worldmodel.recipes.stage import Folders, Stage
from worldmodel.train.config import TrainConfig
from worldmodel.train.distilling import train_decoder, train_distilled
from worldmodel.train.objectives.decoder_stage import DecoderConfig
from worldmodel.train.objectives.distil_config import DistilConfig
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
    return Stage(
        name="tokenizer",
        command=lambda f: (
            f"worldmodel train tokenizer {f.arrays} --preset {name} --run {f.of('tokenizer')}"
        ),
        make=lambda f: train_tokenizer(
            f.arrays, f.of("tokenizer"), preset.tokenizer, preset.train_tokenizer
        ),
        updates=preset.train_tokenizer.steps,
        flops={"kind": "tokenizer", "batch": preset.train_tokenizer.batch},
    )


def motion(name: str, preset: Preset) -> Stage:
    return Stage(
        name="motion",
        command=lambda f: (
            f"worldmodel train motion {f.arrays} {f.of('tokenizer')} "
            f"--preset {name} --run {f.of('motion')}"
        ),
        make=lambda f: train_motion(
            f.arrays, f.of("tokenizer"), f.of("motion"), preset.motion, preset.train_motion
        ),
        updates=preset.train_motion.steps,
        flops={"kind": "motion", "batch": preset.train_motion.batch},
    )


def world(name: str, preset: Preset) -> Stage:
    return Stage(
        name="world",
        command=lambda f: f"worldmodel train world {f.arrays} {f.of('tokenizer')} "
        f"--motion {f.of('motion')} --preset {name} --run {f.of('world')}",
        make=lambda f: train_world(
            f.arrays, f.of("tokenizer"), f.of("world"), preset.world, preset.train_world,
            preset.flow, f.of("motion"),
        ),
        updates=preset.train_world.steps,
        flops={"kind": "world", "batch": preset.train_world.batch, "clip": preset.flow.clip},
    )  # fmt: skip


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


def _changes(config: object, usual: object) -> dict[str, object]:
    """Fields of a dataclass that differ from the usual one."""
    return {name: value for name, value in vars(config).items() if value != vars(usual)[name]}


def _flags(settings: dict[str, object]) -> str:
    return "".join(_flag(name.replace("_", "-"), value) for name, value in settings.items())


def _flag(name: str, value: object) -> str:
    if isinstance(value, bool):
        return f" --{name}" if value else f" --no-{name}"
    return f" --{name} {' '.join(map(str, value)) if isinstance(value, tuple) else value}"

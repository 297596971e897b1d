"""Checkpoints: a folder of JSON and safetensors, nothing that executes, loaded strictly.

checkpoints/<world>/  config.json  tokenizer.safetensors  world.safetensors  scenes/  card.md
                      motion, outpainter, ending, atlas and pose.safetensors in worlds that have
                      them
"""

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import safe_open

from worldmodel.errors import UserError
from worldmodel.games.base import ControlSpace
from worldmodel.model.atlas import Atlas, AtlasConfig
from worldmodel.model.ending import Ending, EndingConfig
from worldmodel.model.motion import Motion, MotionConfig
from worldmodel.model.outpainter import Outpainter, OutpainterConfig
from worldmodel.model.pose import PoseConfig, PoseRegressor
from worldmodel.model.tokenizer import Tokenizer, TokenizerConfig
from worldmodel.model.transformer import WorldConfig, WorldTransformer
from worldmodel.model.whereabouts import Whereabouts
from worldmodel.records import from_json
from worldmodel.weights import (
    fill,
    load_network,
    load_weights,
    save_network,
    save_weights,
    tensors_hash,
)

SCHEMA = 1
CONFIG, TOKENIZER = "config.json", "tokenizer.safetensors"
MOTION, WORLD = "motion.safetensors", "world.safetensors"
OUTPAINTER, ENDING = "outpainter.safetensors", "ending.safetensors"
ATLAS, POSE = "atlas.safetensors", "pose.safetensors"
STEP = "step"  # in the header of world.safetensors


@dataclass(frozen=True, kw_only=True)
class PlayConfig:
    """The setting a world ships with."""

    steps: int = 2
    guidance: float = 1.0
    context_noise: float = 0.0
    sampler: str = "euler"
    warm_start: float = 0.0
    rest: float = 0.0
    finishing_look: bool = True


@dataclass(frozen=True, kw_only=True)
class CheckpointConfig:
    """What a world is, apart from its weights."""

    title: str
    game: str
    licence: str
    fps: float
    controls: ControlSpace
    tokenizer: TokenizerConfig
    tokenizer_hash: str
    world: WorldConfig
    play: PlayConfig = field(default_factory=PlayConfig)
    place: int = 0  # where it stands among other worlds on the page: the lowest comes first


@dataclass(frozen=True)
class Checkpoint:
    """A world read from `folder`, on the CPU in float32, in evaluation mode."""

    folder: Path
    config: CheckpointConfig
    tokenizer: Tokenizer
    network: WorldTransformer
    motion: Motion | None = None  # worlds with `world.history` have one
    step: int | None = None  # updates behind its weights, of a world in training
    outpainter: Outpainter | None = None  # worlds that keep what is off-screen may have one
    ending: Ending | None = None  # worlds with motion may have one
    whereabouts: Whereabouts | None = None  # worlds with motion and an atlas have one

    @property
    def others(self) -> dict[str, Any]:
        """What `save_checkpoint` writes of it that is named."""
        return {"ending": self.ending, "whereabouts": self.whereabouts}


def tokenizer_hash(tokenizer: Tokenizer) -> str:
    return tensors_hash(tokenizer.state_dict())


def encoder_hash(tokenizer: Tokenizer) -> str:
    """Names what decides the latents: all of the tokenizer but its decoder."""
    tensors = tokenizer.state_dict()
    return tensors_hash({k: v for k, v in tensors.items() if not k.startswith("decoder.")})


def save_tokenizer(folder: Path, tokenizer: Tokenizer) -> None:
    """Write tokenizer.safetensors with its configuration in the header."""
    save_network(folder / TOKENIZER, tokenizer)


def save_motion(folder: Path, motion: Motion) -> None:
    """Write motion.safetensors with its configuration in the header."""
    save_network(folder / MOTION, motion)


def load_tokenizer(path: Path) -> Tokenizer:
    """Read a tokenizer from a file that `save_tokenizer` wrote. Raises UserError."""
    return load_network(path, Tokenizer, TokenizerConfig)


def load_motion(path: Path) -> Motion:
    """Read a motion network from a file that `save_motion` wrote. Raises UserError."""
    return load_network(path, Motion, MotionConfig)


def load_outpainter(path: Path) -> Outpainter:
    """Read an outpainter from a file that `save_network` wrote. Raises UserError."""
    return load_network(path, Outpainter, OutpainterConfig)


def load_ending(path: Path) -> Ending:
    """Read what tells that a level is over, as `save_network` wrote it. Raises UserError."""
    return load_network(path, Ending, EndingConfig)


def save_checkpoint(
    folder: Path,
    config: CheckpointConfig,
    tokenizer: Tokenizer,
    network: WorldTransformer,
    motion: Motion | None = None,
    outpainter: Outpainter | None = None,
    *,
    step: int | None = None,
    ending: Ending | None = None,
    whereabouts: Whereabouts | None = None,
) -> None:
    """Write config.json and the weight files into `folder`, each whole or not at all.

    `step` is how many updates have made `network`, for a world that is still being trained.
    """
    folder.mkdir(parents=True, exist_ok=True)
    save_tokenizer(folder, tokenizer)
    if motion:
        save_motion(folder, motion)
    if outpainter:
        save_network(folder / OUTPAINTER, outpainter)
    if ending:
        save_network(folder / ENDING, ending)
    if whereabouts:
        save_network(folder / ATLAS, whereabouts.atlas)
        save_network(folder / POSE, whereabouts.finder)
    save_weights(folder / WORLD, network, {} if step is None else {STEP: str(step)})
    record = dataclasses.asdict(dataclasses.replace(config, controls=None))  # type: ignore[arg-type]
    record |= {"schema": SCHEMA, "controls": config.controls.to_json()}
    partial = folder / f"{CONFIG}.partial"
    partial.write_text(json.dumps(record, indent=2) + "\n")
    partial.replace(folder / CONFIG)


def load_config(folder: Path) -> CheckpointConfig:
    """Read a world's config.json. Raises UserError in one sentence."""
    path = folder / CONFIG
    if not path.is_file():
        raise UserError(f"no world in {folder}: {CONFIG} is missing; choose a checkpoint folder")
    try:
        record = json.loads(path.read_text())
        schema = record.pop("schema", None)
        controls = ControlSpace.from_json(record.pop("controls"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is damaged ({error}); copy the checkpoint again") from None
    if schema != SCHEMA:
        raise UserError(f"{path} has schema {schema}, this version reads {SCHEMA}; update one")
    return from_json(CheckpointConfig, {**record, "controls": controls}, str(path))


def load_checkpoint(folder: Path | str) -> Checkpoint:
    """Read a world. Raises UserError: missing or damaged files, another tokenizer, wrong sizes."""
    folder = Path(folder)
    config = load_config(folder)
    tokenizer, network = Tokenizer(config.tokenizer), WorldTransformer(config.world)
    fill(tokenizer, load_weights(folder / TOKENIZER), folder / TOKENIZER)
    found = tokenizer_hash(tokenizer)
    if found != config.tokenizer_hash:
        raise UserError(
            f"{folder / TOKENIZER} is not the tokenizer this world was trained with (expected "
            f"{config.tokenizer_hash}, found {found}); put the original file back"
        )
    fill(network, load_weights(folder / WORLD), folder / WORLD)
    motion, painter, sizes = None, None, ("grid", "latent_channels")
    if config.world.history:
        path = folder / MOTION
        names = *sizes, "controls", "history"
        motion = _of_this_world(path, load_motion(path), config.world, *names)
    if (path := folder / OUTPAINTER).is_file():
        painter = _of_this_world(path, load_outpainter(path), config.world, *sizes)
    ending = load_ending(path) if motion and (path := folder / ENDING).is_file() else None
    if ending and ending.config.size != (config.tokenizer.height, config.tokenizer.width):
        raise UserError(
            f"{path} looks at pictures of {ending.config.size}, which are not this world's; "
            "put the original file back"
        )
    own, step = (tokenizer.eval(), network.eval(), motion), trained_steps(folder)
    found = None
    if motion and (path := folder / ATLAS).is_file():
        found = load_whereabouts(path, folder / POSE, config)
    return Checkpoint(folder, config, *own, step, painter, ending, found)


def load_whereabouts(path: Path, places: Path, config: CheckpointConfig) -> Whereabouts:
    """An atlas and what finds `places` of its map, for a world. Raises UserError."""
    atlas: Atlas = load_network(path, Atlas, AtlasConfig)
    size, own = atlas.config.camera, config.tokenizer
    if (size.height, size.width) != (own.height, own.width) or atlas.config.game != config.game:
        raise UserError(
            f"{path} has pictures of {size.width}x{size.height} of {atlas.config.game}, which are "
            "not this world's; put the original file back"
        )
    stride = atlas.config.stride
    if stride.history > config.world.history or max(stride.opposites) >= config.controls.size:
        raise UserError(
            f"{path} strides by other controls, or more of them, than this world remembers; put "
            "the original file back"
        )
    finder: PoseRegressor = load_network(places, PoseRegressor, PoseConfig)
    if finder.config.game != config.game:
        raise UserError(
            f"{places} knows the map of {finder.config.game}, which is not this world's; "
            "put the original file back"
        )
    return Whereabouts(atlas, finder)


def trained_steps(folder: Path) -> int | None:
    """How many updates have made a world; None for one that does not say."""
    with safe_open(folder / WORLD, framework="pt") as file:
        text = (file.metadata() or {}).get(STEP, "")
    return int(text) if text.isdecimal() else None


def _of_this_world(path: Path, network: Any, world: WorldConfig, *names: str) -> Any:
    """`network`, read from `path`, if these of its sizes are the world's."""
    for name in names:
        expected, found = getattr(world, name), getattr(network.config, name)
        if found != expected:
            raise UserError(
                f"{path} is not this world's (expected {name} {expected}, found {found}); "
                "put the original file back"
            )
    return network

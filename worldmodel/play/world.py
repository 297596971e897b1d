"""A world ready for play: what a checkpoint holds, on its device and at its speed."""

import secrets
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor

from worldmodel.checkpoint import CheckpointConfig, load_checkpoint
from worldmodel.errors import UserError
from worldmodel.model.carrier import Carrier
from worldmodel.model.ending import Ending
from worldmodel.model.motion import Motion
from worldmodel.model.outpainter import Outpainter
from worldmodel.model.tokenizer import Tokenizer
from worldmodel.model.transformer import WorldTransformer
from worldmodel.model.whereabouts import Whereabouts
from worldmodel.play.scene import Scene, blank, load_scenes
from worldmodel.play.speed import Networks, Speed, choose


@dataclass(frozen=True, kw_only=True)
class World:
    """What all players of a world share."""

    name: str
    config: CheckpointConfig
    tokenizer: Tokenizer
    network: WorldTransformer
    motion: Motion | None = None  # worlds with `config.world.history` have one
    outpainter: Outpainter | None = None
    ending: Ending | None = None  # tells that a level is over
    whereabouts: Whereabouts | None = None  # worlds whose map is known
    scenes: tuple[Scene, ...] = ()
    speed: Speed = field(default_factory=Speed)
    trained: int | None = None  # updates behind its weights, of a world in training
    key: str = field(default_factory=lambda: secrets.token_hex(8))  # tells versions apart

    @property
    def device(self) -> torch.device:
        return self.network.space.device

    @property
    def networks(self) -> Networks:
        """What a speed is put on."""
        moving = self.motion, self.outpainter, self.whereabouts
        return Networks(self.network, self.tokenizer, *moving)

    @property
    def carrier(self) -> Carrier | None:
        """What moves the last frame along as the keys say."""
        return self.networks.carrier


def load_world(folder: Path, device: str, speed: str) -> World:
    """Read a checkpoint folder; raises UserError as `load_engine` does."""
    checkpoint, place = load_checkpoint(folder), _device(device)
    config = checkpoint.config
    size = config.tokenizer.height, config.tokenizer.width
    world = World(
        name=folder.resolve().name,
        config=config,
        tokenizer=checkpoint.tokenizer.requires_grad_(False).to(place),
        network=checkpoint.network.requires_grad_(False).to(place),
        motion=checkpoint.motion and checkpoint.motion.requires_grad_(False).to(place),
        outpainter=checkpoint.outpainter and checkpoint.outpainter.requires_grad_(False).to(place),
        ending=checkpoint.ending and checkpoint.ending.requires_grad_(False).to(place),
        whereabouts=checkpoint.whereabouts and checkpoint.whereabouts.to(place),
        scenes=load_scenes(folder / "scenes", size, config.controls),
        trained=checkpoint.step,
    )
    if world.outpainter and world.outpainter.exemplars:
        world.outpainter.exemplars.check()  # not in the middle of play
    if world.whereabouts:
        world.whereabouts.atlas.hung()
    start = world.scenes[0] if world.scenes else blank(size, config.controls.size)
    return replace(world, speed=choose(world.networks, speed, context_of(world, start)))


@torch.inference_mode()
def context_of(world: World, scene: Scene) -> tuple[Tensor, Tensor]:
    """Latents [t n c] and controls [t k] of the frames of a scene that are remembered."""
    window, device = world.network.config.window, world.device
    frames = torch.tensor(scene.frames[-window:], device=device)
    controls = torch.tensor(scene.controls[-window:], device=device).float()
    return world.tokenizer.encode(frames), controls


def _device(name: str) -> torch.device:
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"the device {name!r} cannot be used here ({reason}); try cpu") from None
    return torch.device(name)

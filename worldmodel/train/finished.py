"""A finished world, opened to go on from it or to judge it."""

from pathlib import Path

import torch

from worldmodel.checkpoint import Checkpoint, load_checkpoint
from worldmodel.data.clips import FrameStore
from worldmodel.diffusion.samplers import sampler_named
from worldmodel.diffusion.schedules import even_times
from worldmodel.errors import UserError


def open_world(checkpoint: Path, data: Path) -> Checkpoint:
    """A world to go on from, its other parts frozen. Raises UserError when the data do not fit."""
    world, store = load_checkpoint(checkpoint), FrameStore(data / "train")
    size = world.config.tokenizer.height, world.config.tokenizer.width
    if store.space != world.config.controls or store.size != size:
        raise UserError(
            f"{data} has other controls or another size than the world in {checkpoint}; "
            "go on with data of the same game"
        )
    parts = [world.tokenizer, world.motion] if world.motion else [world.tokenizer]
    for part in parts:
        part.requires_grad_(False).to(memory_format=torch.channels_last)
    return world


def play_setting(world: Checkpoint) -> dict[str, object]:
    """How a world dreams a frame, for `next_frame`; without `rest`, so that all is dreamed."""
    play = world.config.play
    return {
        "times": even_times(play.steps),
        "sampler": sampler_named(play.sampler),
        "guidance": play.guidance,
        "warm_start": play.warm_start,
        "finishing_look": play.finishing_look,
    }

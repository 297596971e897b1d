"""What of a finished world needs no training: its name, how it is played and what motion keeps."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from worldmodel.checkpoint import load_checkpoint, load_motion, save_checkpoint
from worldmodel.errors import UserError

FITTING = ("grid", "latent_channels", "controls", "history")


def configure(
    checkpoint: Path,
    about: Mapping[str, Any],
    play: Mapping[str, Any],
    motion: Mapping[str, Any],
    moved_by: Path | None = None,
) -> None:
    """Change fields of the CheckpointConfig, its PlayConfig and its MotionConfig in a folder.

    `moved_by` is the file of another motion network, which takes the place of the world's own.
    Raises UserError when the world has no motion network, or another kind of it, and for values
    that no world can have.
    """
    world = load_checkpoint(checkpoint)
    mover = load_motion(moved_by) if moved_by else world.motion
    if (motion or moved_by) and world.motion is None:
        raise UserError(f"{checkpoint} has no motion network; leave its settings out")
    if moved_by and any(
        getattr(mover.config, x) != getattr(world.motion.config, x) for x in FITTING
    ):
        raise UserError(
            f"{moved_by} is of another {', '.join(FITTING[:-1])} or {FITTING[-1]} than the motion "
            f"network of {checkpoint}; train one on its data"
        )
    if mover:
        mover.config = replace(mover.config, **motion)
    config = replace(world.config, play=replace(world.config.play, **play), **about)
    save_checkpoint(checkpoint, config, world.tokenizer, world.network, mover, step=world.step)

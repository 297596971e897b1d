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
    wanted = {"steps": 1, "guidance": 0, "context_noise": 0, "warm_start": 0, "rest": 0}
    if any(play.get(name, least) < least for name, least in wanted.items()):
        raise UserError(f"steps must be at least 1 and all else of play at least 0, found {play}")
    if max(play.get("context_noise", 0), play.get("warm_start", 0)) >= 1:
        raise UserError(f"context_noise and warm_start must be below 1, found {play}")
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

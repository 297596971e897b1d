"""What of a finished world needs no training: its name, how it is played and what motion keeps."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from worldmodel.checkpoint import (
    ATLAS,
    POSE,
    Checkpoint,
    load_checkpoint,
    load_ending,
    load_motion,
    load_outpainter,
    load_whereabouts,
    save_checkpoint,
)
from worldmodel.errors import UserError

MOVING = ("grid", "latent_channels", "controls", "history")
PAINTING = ("grid", "latent_channels")


def configure(
    checkpoint: Path,
    about: Mapping[str, Any],
    play: Mapping[str, Any],
    motion: Mapping[str, Any],
    moved_by: Path | None = None,
    *,
    painted_by: Path | None = None,
    painting: Mapping[str, Any] | None = None,
    ended_by: Path | None = None,
    known_by: Path | None = None,
    found_by: Path | None = None,
) -> None:
    """Change fields of the CheckpointConfig, its PlayConfig and its MotionConfig in a folder.

    `moved_by` is the file of another motion network, which takes the place of the world's own, and
    `painted_by` that of an outpainter, of whose OutpainterConfig `painting` are fields; `ended_by`
    is that of what tells that a level is over, `known_by` that of an atlas of its map, whose places
    are found by what lies in `found_by`. Raises UserError when the world has no motion
    network, or another kind of it, nothing off-screen to be painted, and for values that no world
    can have.
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
    if moved_by:
        _check(moved_by, mover, world.motion, MOVING, f"the motion network of {checkpoint}")
    if mover:
        mover.config = replace(mover.config, **motion)
    painter = load_outpainter(painted_by) if painted_by else world.outpainter
    if painted_by:
        _check(painted_by, painter, world.network, PAINTING, f"the world of {checkpoint}")
        if not (mover and mover.config.margin):
            raise UserError(f"{checkpoint} keeps nothing off-screen; give --offscreen as well")
    if painting:
        if painter is None:
            raise UserError(f"{checkpoint} has no outpainter; leave its {min(painting)} out")
        painter.config = replace(painter.config, **painting)
    ending = load_ending(ended_by) if ended_by else world.ending
    if ended_by and not mover:
        raise UserError(f"{checkpoint} has no motion network; levels end in worlds that do")
    if ended_by and ending.config.size != (size := _size(world)):
        raise UserError(f"{ended_by} looks at pictures of {ending.config.size}, not of {size}")
    config = replace(world.config, play=replace(world.config.play, **play), **about)
    parts = config, world.tokenizer, world.network, mover, painter
    whereabouts = world.whereabouts
    if known_by or found_by:
        if not mover:
            raise UserError(f"{checkpoint} has no motion network; maps are known in worlds that do")
        found_by = found_by or checkpoint / POSE
        whereabouts = load_whereabouts(known_by or checkpoint / ATLAS, found_by, world.config)
    others = {"ending": ending, "whereabouts": whereabouts}
    save_checkpoint(checkpoint, *parts, step=world.step, **others)


def _size(world: Checkpoint) -> tuple[int, int]:
    return world.config.tokenizer.height, world.config.tokenizer.width


def _check(
    path: Path, given: nn.Module, own: nn.Module, fields: tuple[str, ...], whose: str
) -> None:
    if any(getattr(given.config, name) != getattr(own.config, name) for name in fields):
        raise UserError(
            f"{path} is of another {', '.join(fields[:-1])} or {fields[-1]} than {whose}; train "
            "one on its data"
        )

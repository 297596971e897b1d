"""Helpers of the tests of play: a tiny world's keys and sizes, scenes, and playing itself."""

import dataclasses

import numpy as np
import tiny
import torch

from worldmodel.checkpoint import CheckpointConfig, save_checkpoint, tokenizer_hash
from worldmodel.data.episode import EpisodeWriter
from worldmodel.data.meta import Meta
from worldmodel.games.base import ControlSpace
from worldmodel.model.motion import Motion, MotionConfig

SPACE = ControlSpace(
    buttons=("forward", "backward", "left", "right", "use", "jump"),
    keymap={"KeyW": "forward", "KeyS": "backward", "ArrowLeft": "left", "ArrowRight": "right"},
    opposites=(("forward", "backward"), ("left", "right")),
)
SIZE = (tiny.TOKENIZER.height, tiny.TOKENIZER.width)
MOTION = MotionConfig(
    grid=tiny.WORLD.grid,
    latent_channels=tiny.WORLD.latent_channels,
    controls=tiny.WORLD.controls,
    history=3,
    features=8,
    blocks=1,
    code=8,
)


def save_world(folder, moving=False, seed=0, step=None, outpainter=False, **how):
    """Write a world with or without a motion network, whose weights are always the same; another
    `seed` gives another transformer, as if it had been trained on. `how` motion is otherwise, and
    an `outpainter` may dream what is off-screen."""
    torch.manual_seed(0)
    sizes = dataclasses.replace(MOTION, **how)
    motion = tiny.stirred(Motion(sizes)).eval() if moving else None
    world = dataclasses.replace(tiny.WORLD, history=MOTION.history if motion else 0)
    tokenizer = tiny.tokenizer()
    painter = tiny.outpainter() if outpainter else None
    torch.manual_seed(seed)
    network = tiny.world(world)
    config = CheckpointConfig(
        title="Tiny",
        game="none",
        licence="CC0-1.0",
        fps=20.0,
        controls=SPACE,
        tokenizer=tiny.TOKENIZER,
        tokenizer_hash=tokenizer_hash(tokenizer),
        world=world,
    )
    save_checkpoint(folder, config, tokenizer, network, motion, painter, step=step)
    for name, length in (("long-hall", tiny.WORLD.window + 2), ("short", 2)):
        if not (folder / "scenes" / name).exists():
            write_scene(folder / "scenes" / name, length)
    return folder


def write_scene(folder, length, size=SIZE, space=SPACE):
    meta = Meta(
        fps=20.0, size=size, controls=space, game="none", seed=0, player="idle", licence="CC0-1.0"
    )
    draw = np.random.default_rng(length)
    with EpisodeWriter(folder, meta) as episode:
        for _ in range(length):
            frame = draw.integers(0, 256, (*size, 3), dtype=np.uint8)
            episode.append(frame, space.vector())


def keys(count, seed=0):
    """Controls float32 [count k] of somebody who changes his mind at every frame."""
    draw = np.random.default_rng(seed)
    return draw.integers(0, 2, (count, SPACE.size)).astype(np.float32)


def play(engine, controls):
    """The frames [t h w 3] that the controls [t k] bring about."""
    return np.stack([engine.step(control) for control in controls])

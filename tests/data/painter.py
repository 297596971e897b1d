"""A game that paints the control it was given, so that an alignment error shows in the pixels."""

from dataclasses import replace

import numpy as np

from worldmodel.data.episode import EpisodeWriter
from worldmodel.data.meta import Meta
from worldmodel.games.base import ControlSpace

SPACE = ControlSpace(
    buttons=("left", "right", "forward", "backward", "strafe_left", "strafe_right"),
    keymap={
        "KeyA": "left",
        "KeyD": "right",
        "KeyW": "forward",
        "KeyS": "backward",
        "KeyQ": "strafe_left",
        "KeyE": "strafe_right",
    },
    opposites=(("left", "right"),),
)
META = Meta(
    fps=17.5,
    size=(16, 48),
    controls=SPACE,
    game="painter",
    seed=3,
    player="sticky",
    licence="none",
)


def paint(control):
    """uint8 [16 48 3]: a white stripe of 8 columns for each button that is down."""
    stripes = (np.asarray(control[:6]) > 0.5).repeat(8) * 255
    return np.broadcast_to(stripes[None, :, None], (16, 48, 3)).astype(np.uint8)


def read(frames):
    """The controls, float32 [t 6], that were painted into frames."""
    return (frames[:, 8, 4::8, 0] > 127).astype(np.float32)


def some_controls(count, seed=0):
    """float32 [count 6]: zeros, then random buttons held for three frames, no opposites."""
    controls = np.random.default_rng(seed).integers(0, 2, (count // 3 + 1, 6)).repeat(3, 0)[:count]
    controls[:, 1] &= 1 - controls[:, 0]
    controls[0] = 0
    return controls.astype(np.float32)


def write(folder, controls, **changes):
    meta = replace(META, **changes)
    with EpisodeWriter(folder, meta) as writer:
        for control in controls:
            writer.append(paint(control), control)
    return folder

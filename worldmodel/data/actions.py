"""What was held at every frame: actions.jsonl, one JSON object a line in the shape of VPT's."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from worldmodel.data.meta import ADVICE, AXES
from worldmodel.errors import UserError
from worldmodel.games.base import ControlSpace


def action_record(
    tick: int, fps: float, keys: Sequence[str], before: Sequence[str], axes: dict[str, float]
) -> dict[str, Any]:
    """Return one line's object; keys are W3C codes in the order they were pressed."""
    return {
        "tick": tick,
        "milli": round(tick * 1000 / fps, 3),
        "keyboard": {"keys": list(keys), "newKeys": [key for key in keys if key not in before]},
        "mouse": {"dx": axes.get("look_x", 0.0), "dy": axes.get("look_y", 0.0), "buttons": []},
    }


def read_actions(
    path: Path, frames: int, controls: ControlSpace
) -> tuple[np.ndarray, list[tuple[str, ...]]]:
    """Return the controls, float32 [t k], and the keys held at each of so many frames.

    Raises UserError, naming the file and the line, when it is missing, damaged or too short.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path} should list actions but cannot be read ({error}); {ADVICE}"
        ) from error
    if len(lines) != frames:
        raise UserError(f"{path} should have {frames} lines, but has {len(lines)}; {ADVICE}")
    vectors, keys = np.zeros((frames, controls.size), np.float32), []
    for tick, line in enumerate(lines):
        vectors[tick], held = _parse(path, tick, line, controls)
        keys.append(held)
    return vectors, keys


def _parse(
    path: Path, tick: int, line: str, controls: ControlSpace
) -> tuple[np.ndarray, tuple[str, ...]]:
    try:
        record = json.loads(line)
        keys = tuple(str(key) for key in record["keyboard"]["keys"])
        vector = controls.from_keys(keys)
        for index, axis in enumerate(controls.axes, len(controls.buttons)):
            vector[index] = float(record["mouse"][AXES[axis]])
        found = int(record["tick"])
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{path} line {tick + 1} should be one action but cannot be read ({error!r}); {ADVICE}"
        ) from error
    if not np.isfinite(vector).all():
        raise UserError(f"{path} line {tick + 1} has a value that is not finite; {ADVICE}")
    if found != tick:
        raise UserError(
            f"{path} line {tick + 1} should have tick {tick}, but has {found}; {ADVICE}"
        )
    return vector, keys

"""Measures the recorder: `worldmodel bench record`, on a virtual display that anyone can have.

A real window lights a stripe for each key that is held; a typist presses keys; the recorder
records the window. What the stripes show is then compared with the actions that were stored.
"""

import json
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from worldmodel.data.episode import Episode, load_episode
from worldmodel.data.records import read_json
from worldmodel.errors import UserError
from worldmodel.record.config import DesktopConfig
from worldmodel.record.desktop import record_desktop
from worldmodel.record.target import BAR, KEYS, RUN
from worldmodel.record.virtual import Stroke, Typist, target_window, virtual_display

SIZE = (96, 128)
NEAR = 3  # frames around a press in which its picture is looked for


def bench_record(
    *,
    seconds: float = 30.0,
    fps: float = 20.0,
    width: int = 640,
    height: int = 480,
    toolkit: str = "tk",
    seed: int = 0,
) -> dict[str, Any]:
    """Record a window under synthetic keys; return the rate held, frames missed and offsets.

    Raises UserError without Xvfb or the toolkit.
    """
    if toolkit not in RUN or seconds < 4:
        raise UserError(
            f"--toolkit should be one of {', '.join(RUN)} and --seconds 4 or more, but {toolkit} "
            f"and {seconds:g} were given"
        )
    codes = list(KEYS.values())
    config = DesktopConfig(
        size=SIZE, fps=fps, seconds=seconds, longest=seconds + 60, split="train", now=True,
        keys=" ".join(f"{code}={code}" for code in codes), window="worldmodel recorder target",
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder, virtual_display():
        with target_window(toolkit, width, height):
            typist = Typist(codes, seed, 2 / fps, 1.2)
            try:
                recorder = record_desktop(
                    Path(folder), config, begins=lambda: typist.start(seconds - 2)
                )
            finally:
                typist.close()
        folders = sorted(Path(folder).glob("train/*"))
        loaded = [(load_episode(each), times_of(each)) for each in folders]
        if not loaded:
            raise UserError("not two frames were recorded; measure on a machine that is less busy")
        episode, at = max(loaded, key=lambda pair: len(pair[1]))
        return figures(episode, at, typist.strokes, recorder.dropped)


def times_of(folder: Path) -> np.ndarray:
    """When each frame of an episode was taken, float64 [t], in seconds of the recorder's clock."""
    lines = (folder / "actions.jsonl").read_text(encoding="utf-8").splitlines()
    milli = np.array([json.loads(line)["milli"] for line in lines])
    return read_json(folder / "recording.json")["first_frame_at"] + milli / 1000


def stripes(frames: np.ndarray) -> np.ndarray:
    """Which stripes are lit in uint8 [t h w 3]: bool [t k]."""
    lit = frames[:, : int(frames.shape[1] * (1 - 2 * BAR))].mean((1, 3))  # t w
    edges = np.linspace(0, frames.shape[2], len(KEYS) + 1).round().astype(int)
    middle = [lit[:, a + 3 : b - 3].mean(1) for a, b in pairwise(edges)]
    return np.stack(middle, 1) > 127


def figures(
    episode: Episode, at: np.ndarray, strokes: list[Stroke], dropped: int
) -> dict[str, Any]:
    """Compare pictures, actions and strokes; times `at` float64 [t] are the frames'."""
    shown, held = stripes(episode.frames), episode.controls > 0.5
    offsets, delays, lost = [], [], 0
    presses = [s for s in strokes if s.down and at[0] < s.at < at[-NEAR - 1]]
    for stroke in presses:
        key = episode.meta.controls.buttons.index(stroke.code)
        after = int(np.searchsorted(at, stroke.at))  # the first frame taken after the press
        action, picture = (_first(rows[:, key], after - 1) for rows in (held, shown))
        if action is None or picture is None:
            lost += 1
            continue
        offsets.append(picture - action)
        delays.append(1000 * (at[picture] - stroke.at))
    if not offsets:
        raise UserError(
            f"none of {len(presses)} key presses was seen in actions and pictures; measure for "
            "more --seconds, or on a machine that is less busy"
        )
    steps = np.diff(at)
    same = [np.array_equal(a, b) for a, b in pairwise(episode.frames)]
    return {
        "frames": len(at),
        "frames/s asked for": episode.meta.fps,
        "frames/s held": (len(at) - 1) / float(at[-1] - at[0]),
        "ms between frames, 99th percentile": 1000 * float(np.percentile(steps, 99)),
        "frames dropped": dropped,
        "frames equal to the one before": int(sum(same)),
        "key presses": len(presses),
        "presses without an action or a picture": lost,
        "picture after action, frames, mean": float(np.mean(offsets)),
        "picture after action, frames, least": int(np.min(offsets)),
        "picture after action, frames, most": int(np.max(offsets)),
        "key to its picture, ms, median": float(np.median(delays)),
        "key to its picture, ms, 95th percentile": float(np.percentile(delays, 95)),
        "frames in which action and picture differ": float((shown != held).any(1).mean()),
        "keys still held at the end": int(held[-1].sum()),
    }


def _first(rows: np.ndarray, start: int) -> int | None:
    """The first row from `start` on, within reach, that is true and whose forerunner is not."""
    for row in range(max(start, 1), min(start + 2 * NEAR, len(rows))):
        if rows[row] and not rows[row - 1]:
            return row
    return None

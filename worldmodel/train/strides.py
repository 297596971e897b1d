"""How one walks on a map: a stride fitted to recorded poses and keys.

Turns follow from the keys alone, steps from the keys and the step before: linear maps, by least
squares. Steps that a wall has stopped are left out: they are those that fit worst.
Shapes: n frames, k of them, m walls, f features.
"""

import numpy as np
import torch
from torch import Tensor

from worldmodel.data.clips import FrameStore
from worldmodel.errors import UserError
from worldmodel.model.stride import Stride, StrideConfig, held_for, wall_distances

HISTORY = 8  # controls
FITS = 0.5  # map units: steps that are farther off have met a wall, if half of them have not
ROUNDS = 8
PERIODS = np.arange(3.0, 40.0, 0.25)  # frames
TELLS = 0.8  # share of its highest at which a bob tells how high that is
FEW = 1e-3  # share of the frames that may be nearer to a wall


def fitted(store: FrameStore, poses: np.ndarray, walls: np.ndarray) -> Stride:
    """The stride of a store's first frames, whose poses [n 4] are given. Raises UserError when no
    episode is long enough or the game has no pairs of opposite buttons."""
    names = store.space.buttons
    opposites = tuple(names.index(name) for pair in store.space.opposites for name in pair)
    spans = [span for span in store.episodes if span.start < len(poses)]
    rows = [np.arange(s.start + 1, min(s.stop, len(poses))) for s in spans]
    if not opposites or sum(map(len, rows)) < 10 * HISTORY:
        raise UserError(
            f"{store.folder} has too few frames, or no opposite buttons, to tell how one walks; "
            "collect more"
        )
    first = np.repeat([s.start for s in spans], [len(each) for each in rows])
    rows = np.concatenate(rows)
    steps = np.zeros((len(poses), 2))
    steps[rows] = poses[rows, :2] - poses[rows - 1, :2]
    config = _about(poses, steps, rows, first, walls, opposites)
    found = Stride(config)
    held = held_for(_recent(store, rows, first), config).double().numpy()
    turned = (poses[rows, 2] - poses[rows - 1, 2] + 180) % 360 - 180
    found.turn.copy_(torch.as_tensor(np.linalg.lstsq(held, turned, rcond=None)[0]))
    angle = np.deg2rad(poses[rows, 2].astype(np.float64))
    features = np.concatenate([held, _along(steps[rows - 1], angle)], axis=1)
    found.step.copy_(torch.as_tensor(_robust(features, _along(steps[rows], angle))))
    return found.eval()


def _about(
    poses: np.ndarray, steps: np.ndarray, rows: np.ndarray, first: np.ndarray, walls: np.ndarray,
    opposites: tuple[int, ...],
) -> StrideConfig:  # fmt: skip
    """The body and the bob of who walked so."""
    far = wall_distances(torch.as_tensor(poses[:, :2]), torch.as_tensor(walls)).numpy()
    speed = np.square(steps[rows]).sum(axis=1)
    eye = float(np.median(poses[:, 3]))
    above, since = poses[rows, 3] - eye, rows - first
    about = {"opposites": opposites, "history": HISTORY, "radius": float(np.quantile(far, FEW))}
    highest = float(np.abs(above).max())
    if highest < 0.1:  # it does not bob
        return StrideConfig(**about, eye=eye, rise=0.0, highest=0.0)
    waves = [_wave(period, since, speed, above) for period in PERIODS]
    best = min(range(len(PERIODS)), key=lambda i: waves[i][0])
    wave = waves[best][1]
    tells = (np.abs(wave) > TELLS) & (np.abs(above) < TELLS * highest) & (speed > 0)
    rise = float(np.median(above[tells] / wave[tells] / speed[tells])) if tells.any() else 0.0
    period = float(PERIODS[best])
    return StrideConfig(**about, eye=eye, period=period, rise=rise, highest=highest)


def _wave(
    period: float, since: np.ndarray, speed: np.ndarray, above: np.ndarray
) -> tuple[float, np.ndarray]:
    """How badly a wave of so many frames, as high as the `speed`, explains how far an eye is
    `above` its height; and the wave, of height 1."""
    angle = 2 * np.pi * since / period
    waves = np.stack([np.sin(angle), np.cos(angle)], axis=1)
    shares = np.linalg.lstsq(waves * speed[:, None], above, rcond=None)[0]
    off = np.abs(waves * speed[:, None] @ shares - above).mean()
    return float(off), waves @ shares / max(np.hypot(*shares), 1e-9)


def _recent(store: FrameStore, rows: np.ndarray, first: np.ndarray) -> Tensor:
    """The last controls [k r c] of these rows, the newest first; none before an episode."""
    back = rows[:, None] - np.arange(HISTORY)
    keys = np.nan_to_num(store.controls[np.maximum(back, 0).ravel()]).reshape(*back.shape, -1)
    return torch.as_tensor(keys * (back >= first[:, None])[..., None])


def _along(steps: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Steps [k 2] as ways ahead and to the right [k 2] of who looks under an angle [k]."""
    sine, cosine = np.sin(angle), np.cos(angle)
    ahead = steps[:, 0] * cosine + steps[:, 1] * sine
    return np.stack([ahead, steps[:, 0] * sine - steps[:, 1] * cosine], axis=1)


def _robust(features: np.ndarray, values: np.ndarray) -> np.ndarray:
    """What maps features [k f] to most values [k 2], [f 2]."""
    kept = np.ones(len(features), bool)
    for _ in range(ROUNDS):
        found = np.linalg.lstsq(features[kept], values[kept], rcond=None)[0]
        off = np.linalg.norm(features @ found - values, axis=1)
        kept = off < max(FITS, np.quantile(off, 0.5))
    return found

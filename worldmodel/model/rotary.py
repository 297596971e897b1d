"""Axial rotary positions over height, width and time (RoFormer, arXiv 2104.09864).

Shapes: n tokens of a frame (n = h w), t frames, e size of a head, s sequence.
"""

from functools import cached_property

import numpy as np
import torch
from torch import Tensor

BASE = 100.0  # positions here are tens, not thousands


def head_split(head: int) -> tuple[int, int, int]:
    """Even numbers of channels of a head that turn with height, width and time."""
    space = head // 3 // 2 * 2
    return space, space, head - 2 * space


def angles(positions: Tensor, channels: int) -> Tensor:
    """Positions [s] -> angles [s channels/2], from 1 radian a place down to 1 / BASE; float64 for
    positions float64, or else float32."""
    rates = BASE ** -(torch.arange(0, channels, 2, dtype=torch.float32) / channels)
    exact = positions if positions.dtype == torch.float64 else positions.float()
    return exact[:, None] * rates.to(positions.device)


def space_angles(height: int, width: int, head: int, top: int = 0) -> Tensor:
    """Angles [n head/2] of a frame's tokens, the uppermost ones in the row `top`; the channels that
    turn with time stay at 0."""
    rows, columns, time = head_split(head)
    y = angles(torch.arange(top, top + height), rows).repeat_interleave(width, dim=0)
    x = angles(torch.arange(width), columns).repeat(height, 1)
    return torch.cat([y, x, torch.zeros(height * width, time // 2)], dim=1)


def time_angles(times: Tensor, head: int) -> Tensor:
    """Angles [t head/2] of frames at `times` (frames; negative is the past)."""
    rows, columns, time = head_split(head)
    turns = angles(times, time)
    still = torch.zeros(len(times), (rows + columns) // 2, dtype=turns.dtype, device=times.device)
    return torch.cat([still, turns], dim=1)


class Turns:
    """How the tokens of a frame are turned, of which places turn them by angles [n e/2].

    As exact at frame 1,000,000 as at the first, since angles of time are float64. A channel turns
    with a place or with time, so one of its angles is 0. In NumPy, as these are a few small numbers
    at every frame.
    """

    def __init__(self, space: Tensor) -> None:
        self.space = space

    @cached_property
    def tables(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Cosines and sines of the places' angles, and the angles by which a frame's time turns."""
        once = torch.ones(1, dtype=torch.float64, device="cpu")
        rates = time_angles(once, 2 * self.space.shape[-1])
        cos, sin, rates = (x.cpu().numpy() for x in (self.space.cos(), self.space.sin(), rates))
        return cos, sin, rates

    def at(self, times: Tensor) -> Tensor:
        """Cosines and sines float32 [t 2 n e/2] at `times` int64 [t] on the CPU."""
        place_cos, place_sin, rates = self.tables
        turn = times.numpy()[:, None, None] * rates
        cos, sin = (f(turn).astype(np.float32) for f in (np.cos, np.sin))
        both = np.stack([place_cos * cos, place_sin * cos + place_cos * sin], axis=1)
        return torch.as_tensor(both)


def rotate(x: Tensor, turn: Tensor) -> Tensor:
    """Turn the channel pairs (i, i + e/2) of x [... s e] by angles [s e/2]; keeps x's dtype."""
    return turned(x, turn.cos(), turn.sin())


def turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """`rotate` by angles of which cosine and sine are known."""
    a, b = x.float().chunk(2, dim=-1)
    halves = torch.addcmul(a * cos, b, sin, value=-1), torch.addcmul(a * sin, b, cos)
    return torch.cat(halves, dim=-1).to(x.dtype)

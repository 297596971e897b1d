"""Recall: keys and values on their way between a network and its cache.

What is remembered is turned once, by when it was; so is what looks back. Attention sees only how
long ago that is (worldmodel.model.rotary).
Shapes: l blocks that attend over time, b batch, k heads, w ring slots, n tokens of a frame, e head
size.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from worldmodel.model.cache import FrameCache
from worldmodel.model.layers import KeysValues, Past
from worldmodel.model.rotary import turned, turns_at


def recalled(cache: FrameCache, space: Tensor) -> list[Past]:
    """What each block sees of the past, and how tokens that `space` [n e/2] turns by their places
    are turned now; computed once a frame, however many looks follow."""
    if cache.recalled is None:
        memory, device = cache.memory, space.device
        seen = F.pad(cache.filled(), (0, 1), value=True)  # itself too
        mask = seen.to(device).repeat_interleave(len(space), dim=1)[:, None, None]
        turn = turns_at(memory.count, space)
        cache.recalled = [
            Past(keys.flatten(2, 3), values.flatten(2, 3), mask, turn)
            for keys, values in zip(memory.keys, memory.values, strict=True)
        ]
    return cache.recalled


def as_of(past: Past, kept: KeysValues) -> KeysValues:
    """A frame's keys and values [l b k n e] as they are remembered: keys turned as they were in the
    frame that saw this `past`."""
    keys, values = kept
    return turned(keys, *past.turn[:, :, None].unbind(1)), values


def together(kept: list[KeysValues]) -> KeysValues:
    """Keys and values [b 1 k n e] of a frame's blocks as [l b k n e]."""
    keys, values = zip(*kept, strict=True)
    return torch.stack(keys)[:, :, 0], torch.stack(values)[:, :, 0]


def chosen(which: Tensor, those: KeysValues, others: KeysValues) -> KeysValues:
    """`those` keys and values [l b k n e] of the players [b] whom `which` names, or else the
    `others`."""
    own = which.view(1, -1, 1, 1, 1)
    keys, values = (torch.where(own, *pair) for pair in zip(those, others, strict=True))
    return keys, values

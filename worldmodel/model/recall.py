"""Recall: keys and values on their way between a network and its cache.

Shapes: l blocks that attend over time, b batch, k heads, w ring slots, n tokens of a frame, e head
size.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from worldmodel.model.cache import FrameCache
from worldmodel.model.layers import KeysValues, Past
from worldmodel.model.rotary import turned


def recalled(cache: FrameCache, turns: Tensor, tokens: int) -> list[Past]:
    """What each block sees of the past: the cached keys turned by their age, by cosines and sines
    [2 w+1 n e/2] of each age; computed once a frame, however many looks follow."""
    if cache.recalled is None:
        ages, memory = cache.ages(), cache.memory  # [b w]
        seen = F.pad(ages > 0, (0, 1), value=True)  # itself too
        mask = seen[:, None, None, :, None].expand(-1, -1, -1, -1, tokens).flatten(3)
        mask = mask.to(turns.device)
        keys = turned(memory.keys, *turns[:, ages][:, :, None])  # [l b k w n e]
        cache.recalled = [
            Past(keys.flatten(2, 3), values.flatten(2, 3), mask)
            for keys, values in zip(keys, memory.values, strict=True)
        ]
    return cache.recalled


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

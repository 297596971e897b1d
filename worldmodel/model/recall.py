"""Recall: keys and values on their way between a network and its cache.

What is remembered is turned once, by when it was; so is what looks back. Attention sees only how
long ago that is (worldmodel.model.rotary).
Shapes: l blocks that attend over time, b batch, k heads, w ring slots, n tokens of a frame, e head
size.
"""

import torch
from torch import Tensor

from worldmodel.model.cache import FrameCache
from worldmodel.model.layers import KeysValues, Past
from worldmodel.model.rotary import Turns


def recalled(cache: FrameCache, space: Turns, slots: Tensor) -> list[Past]:
    """What each block sees of the past, and how tokens that `space` turns by their places are
    turned now; computed once a frame, however many looks follow. `slots` [w n + n] are those in
    which what is seen lies, that of the own frame before all others."""
    if cache.recalled is None:
        memory = cache.memory
        mask = (slots < memory.count.to(slots.device)[:, None])[:, None, None]
        turn = space.at(memory.count).to(slots.device)
        cache.recalled = [
            Past(keys.flatten(2, 3), values.flatten(2, 3), mask, turn)
            for keys, values in zip(memory.keys, memory.values, strict=True)
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

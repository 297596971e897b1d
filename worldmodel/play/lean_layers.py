"""The layers of the lean world: transformer block and convolutional block, for one frame.

Shapes: b players, n tokens of a frame, d width, k heads, e head size, w ring slots, f features.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from worldmodel.model.layers import ConvBlock, TransformerBlock
from worldmodel.play.packed import Conv, Linear

TINY = 1e-6  # least norm that is divided by


@dataclass(frozen=True)
class Recalled:
    """The past of one block: turned keys and values [b k (w + 1) * n e], the end for the own frame.

    The mask [b 1 1 (w + 1) * n] is None when every slot is filled.
    """

    keys: Tensor
    values: Tensor
    mask: Tensor | None


class LeanBlock:
    """A transformer block on one frame; norms' weights and sizes lie in the tables."""

    def __init__(self, block: TransformerBlock, space: Tensor, dtype: torch.dtype) -> None:
        self.dense, self.heads, self.dtype, self.bias = block.dense, block.heads, dtype, block.bias
        self.qkv, self.out = Linear(block.qkv, dtype), Linear(block.out, dtype)
        self.up, self.down = Linear(block.up, dtype), Linear(block.down, dtype)
        weight = torch.stack([block.query_norm.weight, block.key_norm.weight])[:, None]  # [2 1 e]
        self.weight = weight * weight.shape[-1] ** 0.5
        cos, sin = space.cos(), space.sin()  # [n e/2]
        half = weight.shape[-1] // 2
        self.cos = torch.cat([cos, cos], dim=-1)[:, None, None] * self.weight  # [n 2 1 e]
        self.sin = torch.cat([-sin, sin], dim=-1)[:, None, None] * self.weight.roll(half, -1)

    def modulation(self, shared: Tensor) -> list[Tensor]:
        """The shared modulation [b 1 6 d] -> shift, scale, gate, shift, scale, gate [b 1 d]."""
        shift, scale, gate, shift2, scale2, gate2 = (shared + self.bias).unbind(-2)
        size = shift.shape[-1] ** 0.5
        return [shift, (1 + scale) * size, 1 + gate, shift2, (1 + scale2) * size, 1 + gate2]

    def __call__(
        self, x: Tensor, modulation: list[Tensor], past: Recalled | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """x [b n d] -> x, queries and keys of unit size [b n 2 k e], values [b n k e]."""
        shift, scale, gate, shift2, scale2, gate2 = modulation
        b, n, d = x.shape
        inner = torch.addcmul(shift, unit(x), scale).to(self.dtype)
        qkv = self.qkv(inner).float().view(b, n, 3, self.heads, d // self.heads)
        qk, value = unit(qkv[:, :, :2]), qkv[:, :, 2]
        turned = torch.addcmul(qk * self.cos, qk.roll(qk.shape[-1] // 2, -1), self.sin)
        seen = attend(turned[:, :, 0], turned[:, :, 1], value, past)
        x = torch.addcmul(x, gate, self.out(seen.to(self.dtype)).float())
        inner = torch.addcmul(shift2, unit(x), scale2).to(self.dtype)
        left, right = self.up(inner).chunk(2, dim=-1)
        x = torch.addcmul(x, gate2, self.down(F.silu(right).mul_(left)).float())
        return x, qk, value

    def remembered(self, qk: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Unrotated keys and values [b k n e], as the cache keeps them."""
        return (qk[:, :, 1] * self.weight[1]).transpose(1, 2), value.transpose(1, 2)


class LeanConvBlock:
    """Residual convolutions on [b f h w], modulated by a shift and a scale."""

    def __init__(self, block: ConvBlock, dtype: torch.dtype, grid: tuple[int, int]) -> None:
        self.dtype, self.linear = dtype, block.modulation
        self.first, self.second = Conv(block.first, dtype, grid), Conv(block.second, dtype, grid)

    def film(self, vector: Tensor) -> tuple[Tensor, Tensor]:
        """The condition [b d] -> shift, scale [b f 1 1]."""
        scale, shift = self.linear(vector)[:, :, None, None].chunk(2, dim=1)
        return shift.to(self.dtype), (1 + scale).to(self.dtype)

    def __call__(self, x: Tensor, film: tuple[Tensor, Tensor]) -> Tensor:
        shift, scale = film
        inner = torch.addcmul(shift, self.first(F.relu(x)), scale)
        return self.second.plus(inner.relu_(), x)


def attend(query: Tensor, key: Tensor, value: Tensor, past: Recalled | None) -> Tensor:
    """Attention of one frame [b n k e] to itself, and to the past where there is one -> [b n d]."""
    query, key, value = (a.transpose(1, 2) for a in (query, key, value))  # [b k n e]
    mask = None
    if past is not None:
        past.keys[:, :, -key.shape[2] :] = key
        past.values[:, :, -key.shape[2] :] = value
        key, value, mask = past.keys, past.values, past.mask
    seen = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    return seen.transpose(1, 2).flatten(2)


def unit(x: Tensor) -> Tensor:
    """x over the norm of its last dimension: a root-mean-square norm up to that size's root."""
    return x / torch.linalg.vector_norm(x, dim=-1, keepdim=True).clamp_min_(TINY)

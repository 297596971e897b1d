"""Building blocks of the transformer.

Shapes: b batch, t frames, n tokens of a frame, d width, k heads, e head size, f latent features,
h w latent grid.
"""

from typing import NamedTuple, Protocol

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from worldmodel.errors import UserError
from worldmodel.model.rotary import turned

KeysValues = tuple[Tensor, Tensor]
PATCH = 2  # latents to a side of one token
TOGETHER = 4  # frames of a clip that attend at once


class Sizes(Protocol):
    """What a transformer over a latent grid is given."""

    grid: tuple[int, int]
    width: int
    heads: int


def require_sizes(config: Sizes, name: str, *at_least_1: int) -> None:
    """Raise UserError unless a transformer of such sizes can be built; `name` says of what."""
    if min(*config.grid, config.width, config.heads, *at_least_1) < 1:
        raise UserError(f"{name}'s sizes must be at least 1, found 0 or less in {config}")
    if config.grid[0] % PATCH or config.grid[1] % PATCH:
        raise UserError(f"the latent grid must be even, found {config.grid}")
    if config.width % config.heads or (config.width // config.heads) % 2:
        raise UserError(
            f"width {config.width} must split into {config.heads} heads of even size; change one"
        )


class Past:
    """What a dense block sees of the past when there is a cache: turned keys, values and a mask.

    And by what the own frame's tokens are turned, as their time is not that of the past.
    """

    def __init__(
        self, keys: Tensor, values: Tensor, mask: Tensor | None, turn: Tensor | None = None
    ) -> None:
        self.keys, self.values = keys, values  # [b k s e]
        self.mask = mask  # bool [b 1 1 s + n]; None where all is seen. In a graph what is added
        self.turn = turn  # cosines and sines [b 2 n e/2]; None where the block is told


class Clip(NamedTuple):
    """What a dense block sees of a clip without a cache: own frame and `window` before it."""

    frames: int
    window: int
    mask: Tensor  # bool [t n, t n]


class TransformerBlock(nn.Module):
    """Pre-norm attention and SwiGLU, both modulated by the frame's condition (adaLN, DiT).

    `dense` blocks attend to all tokens of the own and the past frames, the others to the own frame.
    """

    def __init__(self, width: int, heads: int, *, dense: bool, depth: int) -> None:
        super().__init__()
        hidden = -(-8 * width // 3 // 32) * 32
        self.heads, self.dense = heads, dense
        self.qkv = nn.Linear(width, 3 * width, bias=True)
        self.query_norm, self.key_norm = nn.RMSNorm(width // heads), nn.RMSNorm(width // heads)
        self.out = nn.Linear(width, width, bias=False)
        self.up = nn.Linear(width, 2 * hidden, bias=False)
        self.down = nn.Linear(hidden, width, bias=False)
        self.bias = nn.Parameter(torch.zeros(6, width))  # to the shared modulation (PixArt)
        for last in (self.out, self.down):
            nn.init.normal_(last.weight, std=last.in_features**-0.5 / (2 * depth) ** 0.5)

    def forward(
        self, x: Tensor, modulation: Tensor, turn: Tensor, past: Past | None, clip: Clip | None,
        *, alone: bool = False,
    ) -> tuple[Tensor, KeysValues]:  # fmt: skip
        """x [b t n d], modulation [b t 1 6 d], turn [n or t*n e/2]; also returns keys, values,
        with a past the keys as they are turned.

        `alone`, each token attends to nothing but itself (see Outpainter.guided).
        """
        shift, scale, gate, shift2, scale2, gate2 = (modulation + self.bias).unbind(-2)
        shown = norm(x) * (1 + scale) + shift
        mixed, memory = self.alone(shown) if alone else self.attend(shown, turn, past, clip)
        x = x + (1 + gate) * mixed
        value, gate_in = self.up(norm(x) * (1 + scale2) + shift2).chunk(2, dim=-1)
        return x + (1 + gate2) * self.down(F.silu(gate_in) * value), memory

    def alone(self, x: Tensor) -> tuple[Tensor, KeysValues]:
        key, value = self.qkv(x).chunk(3, dim=-1)[1:]
        return self.out(value), (key, value)

    def attend(
        self, x: Tensor, turn: Tensor, past: Past | None, clip: Clip | None
    ) -> tuple[Tensor, KeysValues]:
        b, t = x.shape[:2]
        folded = "(b t) k n e" if not self.dense else "b k (t n) e"
        heads = rearrange(self.qkv(x), "b t n (r k e) -> b t r k n e", r=3, k=self.heads)
        value = heads[:, :, 2]
        # queries and keys as one, which takes half as many operations
        scale = torch.stack([self.query_norm.weight, self.key_norm.weight])[:, None, None]
        both = norm(heads[:, :, :2]) * scale
        key = both[:, :, 1]
        if past is not None and past.turn is not None:
            turns = past.turn[:, :, None].unbind(1)
        else:
            turns = turn.cos(), turn.sin()
        both = turned(rearrange(both, f"b t r k n e -> r {folded}"), *turns)
        query, key_in = both.to(value.dtype).unbind()
        value_in = rearrange(value, f"b t k n e -> {folded}").contiguous()
        if self.dense and past is not None:
            seen, key = attend_past(query, key_in, value_in, past), key_in[:, None]
        elif self.dense and clip is not None:
            seen = attend_clip(query, key_in, value_in, clip)
        else:
            seen = attention(query, key_in, value_in)
        seen = rearrange(seen, f"{folded} -> b t n (k e)", b=b, t=t)
        return self.out(seen), (key, value)


def attend_past(query: Tensor, key: Tensor, value: Tensor, past: Past) -> Tensor:
    """Attention [b k n e] of a frame to itself and the past.

    In a graph the keys and values of both are not laid out in one piece, of which OpenVINO makes
    several copies.
    """
    keys, values = past.keys.to(value.dtype), past.values.to(value.dtype)
    if not torch.jit.is_tracing():
        whole = torch.cat([keys, key], dim=-2), torch.cat([values, value], dim=-2)
        return attention(query, *whole, past.mask)
    query, remembered = query * query.shape[-1] ** -0.5, keys.shape[-2]
    scores = torch.cat([query @ x.transpose(-1, -2) for x in (keys, key)], dim=-1)
    if past.mask is not None:
        scores = scores + past.mask
    shares = scores.softmax(dim=-1)
    return shares[..., :remembered] @ values + shares[..., remembered:] @ value


def attend_clip(query: Tensor, key: Tensor, value: Tensor, clip: Clip) -> Tensor:
    """Attention [b k (t n) e] of a clip's frames to themselves and those before.

    Some frames at a time, from the first that one of them sees to their own: what is hidden from
    all of them is not computed.
    """
    n, seen = query.shape[-2] // clip.frames, []
    for begin in range(0, clip.frames, TOGETHER):
        end = min(begin + TOGETHER, clip.frames)
        rows, columns = slice(begin * n, end * n), slice(max(0, begin - clip.window) * n, end * n)
        part = query[..., rows, :], key[..., columns, :], value[..., columns, :]
        seen.append(attention(*part, clip.mask[rows, columns]))
    return torch.cat(seen, dim=-2)


def attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
    """Attention [b k n e] of queries to keys and values [b k s e], where `mask` [n s] allows it.

    Training on a processor does it in parts: for some tens or hundreds of tokens PyTorch's fused
    one takes two to five times as long with its gradients.
    """
    if query.device.type != "cpu" or not query.requires_grad:
        return F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    scores = (query * query.shape[-1] ** -0.5) @ key.mT
    if mask is not None:
        scores = scores + torch.where(mask, 0.0, -torch.inf).to(scores.dtype)
    return scores.softmax(dim=-1).to(value.dtype) @ value


def norm(x: Tensor) -> Tensor:
    return F.rms_norm(x, x.shape[-1:])


class ConvBlock(nn.Module):
    """Residual convolutions on the latent grid, modulated by the frame's condition (FiLM)."""

    def __init__(self, features: int, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(features, features, 3, padding=1)
        self.second = nn.Conv2d(features, features, 3, padding=1)
        self.modulation = nn.Linear(width, 2 * features)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """x [b f h w], condition [b d]."""
        scale, shift = self.modulation(condition)[:, :, None, None].chunk(2, dim=1)
        inner = self.first(F.relu(x)) * (1 + scale) + shift
        return x + self.second(F.relu(inner))


class ConditionedWarp(nn.Module):
    """A convolution whose kernel depends on the controls and on the place in the picture.

    Moves the previous latent as the keys say (dynamic neural advection, arXiv 1605.07157):
    kernels are a bilinear form of the condition and learned maps over a coarse grid.
    """

    def __init__(
        self, channels: int, width: int, grid: tuple[int, int], *, groups: int = 8, each: int = 4,
        taps: tuple[int, int] = (3, 7), rank: int = 32,
    ) -> None:  # fmt: skip
        super().__init__()
        self.groups, self.taps = groups, taps
        self.features = groups * each
        self.coarse = (grid[0] // 2, grid[1] // 2)
        self.value = nn.Conv2d(channels, self.features, 1)
        self.code = nn.Linear(width, rank)
        self.maps = nn.Parameter(torch.zeros(rank, groups * taps[0] * taps[1], *self.coarse))
        identity = torch.zeros(groups, *taps)
        identity[:, taps[0] // 2, taps[1] // 2] = 1
        self.identity = nn.Parameter(identity.flatten())

    def forward(self, previous: Tensor, condition: Tensor) -> Tensor:
        """previous [b c h w], condition [b d] -> [b features h w]."""
        b, _, h, w = previous.shape
        code = torch.tanh(self.code(condition))
        kernel = code @ self.maps.flatten(1)  # [b groups*taps*coarse]
        kernel = kernel.view(b, -1, *self.coarse) + self.identity[:, None, None]
        kernel = kernel.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
        kernel = kernel.view(b, self.groups, 1, -1, h * w)
        pad = (self.taps[0] // 2, self.taps[1] // 2)
        places = F.unfold(self.value(previous), self.taps, padding=pad)
        places = places.view(b, self.groups, -1, self.taps[0] * self.taps[1], h * w)
        return (kernel * places).sum(dim=3).view(b, self.features, h, w)

"""Floating-point operations of a frame, by formula: a multiplication and an addition are two.

Matrix products and convolutions only; what remains is small. PyTorch's counter is the other road.
"""

from collections.abc import Sequence

import torch
from torch.utils.flop_counter import sdpa_backward_flop_count, sdpa_flop_count

from worldmodel.model.contact import CHANNELS, HIDDEN, Window
from worldmodel.model.layers import PATCH as TOKEN
from worldmodel.model.motion import FINER, MotionConfig
from worldmodel.model.tokenizer import PATCH, STEM, TokenizerConfig
from worldmodel.model.transformer import LEVEL_WAVES, WorldConfig

RANK, GROUPS, EACH, TAPS = 32, 8, 4, (3, 7)  # of the conditioned warp


def frame_flops(
    tokenizer: TokenizerConfig, world: WorldConfig, motion: MotionConfig | None, steps: int,
    *, finishing_look: bool = True,
) -> dict[str, int]:  # fmt: skip
    """Operations of one frame for one player by stage, unguided and with a full ring."""
    stages = {"looks": steps * look(world), "decode": decoder(tokenizer)}
    if finishing_look:
        stages["commit"] = commit(world)
    if motion:
        stages["carry"] = moving(motion) + encoder(tokenizer)
    return stages


def clip_frame(c: WorldConfig, frames: int) -> int:
    """One frame of a training clip: all frames of the clip are attended to, seen or masked."""
    more = frames - 1 - c.window
    return look(c) + len(c.dense) * more * 4 * c.tokens**2 * c.width


def attention(c: WorldConfig, window: int, players: int) -> int:
    """One block's attention of a frame's tokens to themselves and `window` past frames."""
    return players * 4 * c.tokens**2 * (window + 1) * c.width


def look(c: WorldConfig) -> int:
    """One pass through the whole network."""
    films = (c.stem_blocks + c.head_blocks) * 2 * c.width * 2 * c.features
    convs = 2 * c.head_blocks * _conv(c.grid, c.features, c.features)
    out = (1 + bool(c.history)) * _conv(c.grid, c.features, c.latent_channels)
    unpatch = 2 * c.tokens * c.width * c.features * TOKEN**2
    return _entry(c) + films + convs + out + unpatch + _blocks(c, c.depth)


def commit(c: WorldConfig) -> int:
    """One pass as far as the last block that attends over time."""
    films = c.stem_blocks * 2 * c.width * 2 * c.features
    return _entry(c) + films + _blocks(c, max(c.dense) + 1)


def decoder(c: TokenizerConfig) -> int:
    small, large = c.grid, tuple(side * PATCH // STEM for side in c.grid)
    at_8 = _conv(small, c.latent_channels, c.coarse)
    at_8 += c.decoder_blocks[0] * _block(c, small, c.coarse)
    at_8 += _conv(small, c.coarse, c.fine * (PATCH // STEM) ** 2, taps=1)
    at_4 = c.decoder_blocks[1] * _block(c, large, c.fine)
    if c.separable:
        return at_8 + at_4 + _conv(large, 1, c.fine) + _conv(large, c.fine, 3 * STEM**2, taps=1)
    return at_8 + at_4 + _conv(large, c.fine, 3 * STEM**2)


def encoder(c: TokenizerConfig) -> int:
    small, large = c.grid, tuple(side * PATCH // STEM for side in c.grid)
    taps = 1 if c.separable else 9
    at_4 = _conv(large, 3 * STEM**2, c.fine, taps)
    at_4 += c.encoder_blocks[0] * _block(c, large, c.fine)
    at_8 = _conv(small, c.fine * (PATCH // STEM) ** 2, c.coarse, taps=1)
    at_8 += c.encoder_blocks[1] * _block(c, small, c.coarse)
    return at_4 + at_8 + _conv(small, c.coarse, c.latent_channels, taps)


def _block(c: TokenizerConfig, grid: tuple[int, int], channels: int) -> int:
    """A block of a tokenizer."""
    if not c.separable:
        return 2 * _conv(grid, channels, channels)
    mixing = 2 * _conv(grid, channels, c.separable * channels, taps=1)
    return _conv(grid, 1, channels) + mixing


def moving(c: MotionConfig) -> int:
    """The motion network."""
    h, w = c.grid
    code = 2 * c.code * (c.history * c.controls + c.features + c.code)
    convs = _conv(c.grid, 2 * c.latent_channels + 2, c.features)
    convs += 2 * c.blocks * _conv(c.grid, c.features, c.features)
    convs += _conv(c.grid, c.features, 2 * FINER**2)
    if c.placed:
        code += 2 * c.features * (h * w + c.code)
    if c.momentum:
        convs += _conv(c.grid, 2 * FINER**2, c.features)
        code += 2 * 2 * c.code
    films = c.blocks * 2 * c.code * 2 * c.features
    held = touching(c.contact) if any(c.contact) else 0
    return code + convs + films + held + 2 * c.code * 2 * h * w


def touching(window: Window) -> int:
    """What tells whether the figure sinks."""
    total, inputs, side = 0, 3, window[2:]
    for features in CHANNELS:
        side = tuple(-(-n // 2) for n in side)
        total, inputs = total + _conv(side, inputs, features), features
    return total + 2 * HIDDEN * (inputs * side[0] * side[1] + 2)


def _entry(c: WorldConfig) -> int:
    """Condition, modulation, warp, the stem's convolutions and its tokens."""
    d, (h, w) = c.width, c.grid
    levels = 2 * (3 * 2 * LEVEL_WAVES * d + d * d)
    condition = levels + 2 * 2 * c.controls * d + 2 * d * 6 * d
    kernel = RANK * GROUPS * TAPS[0] * TAPS[1] * (h // 2) * (w // 2)
    warp = 2 * (d * RANK + kernel) + _conv(c.grid, c.latent_channels, GROUPS * EACH, taps=1)
    warped = 0 if c.history else GROUPS * EACH
    stem = _conv(c.grid, 2 * c.latent_channels + warped, c.features)
    stem += 2 * c.stem_blocks * _conv(c.grid, c.features, c.features)
    return condition + (0 if c.history else warp) + stem + 2 * c.tokens * c.features * TOKEN**2 * d


def _blocks(c: WorldConfig, depth: int) -> int:
    d, n = c.width, c.tokens
    hidden = -(-8 * d // 3 // 32) * 32
    linears = 2 * n * d * (3 * d + d + 3 * hidden)
    own = 4 * n * n * d  # scores and their sums over a frame's own tokens
    past = sum(i < depth for i in c.dense) * 4 * n * n * c.window * d
    return depth * (linears + own) + past


def _conv(grid: tuple[int, ...], inputs: int, outputs: int, taps: int = 9) -> int:
    return 2 * grid[0] * grid[1] * inputs * outputs * taps


def _attention_forward(
    query: Sequence[int], key: Sequence[int], value: Sequence[int], *rest: object, **more: object
) -> int:
    """Shapes [b k n e], [b k s e] and [b k s e]."""
    return sdpa_flop_count(query, key, value)


def _attention_backward(
    grad: Sequence[int], query: Sequence[int], key: Sequence[int], value: Sequence[int],
    *rest: object, **more: object,
) -> int:  # fmt: skip
    return sdpa_backward_flop_count(grad, query, key, value)


ATTENTION = {  # what PyTorch's FlopCounterMode does not know
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention_forward,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
}

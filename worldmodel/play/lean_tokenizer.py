"""The tokenizer once more, for play: channels_last, and shuffles that copy once.

Shapes: b players, n latents of a frame, c channels, h w latent grid, H W pixels.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from worldmodel.model.tokenizer import PATCH, STEM, Tokenizer
from worldmodel.play.packed import Conv, fold, gather, spread


class LeanEncoder:
    """Has `bounded` of the tokenizer whose weights it copies."""

    def __init__(self, tokenizer: Tokenizer, dtype: torch.dtype) -> None:
        _, first, fine, _, narrow, coarse, last = tokenizer.encoder
        self.dtype, grid = dtype, tokenizer.config.grid
        large = tuple(side * PATCH // STEM for side in grid)
        first_weight = fold(first.weight, STEM, dim=1)
        self.first = Conv(first, dtype, large, weight=first_weight)
        narrow_weight = fold(narrow.weight, PATCH // STEM, dim=1)
        self.narrow = Conv(narrow, dtype, grid, weight=narrow_weight)
        self.fine, self.coarse = _blocks(fine, dtype, large), _blocks(coarse, dtype, grid)
        self.last = Conv(last, dtype, grid)

    def bounded(self, pictures: Tensor) -> Tensor:
        """[b 3 H W] in 0..1 -> [b c h w] in -1..1; as Tokenizer.bounded."""
        x = gather((pictures * 2 - 1).to(self.dtype), STEM)
        x = _residual(self.first(x), self.fine)
        x = _residual(self.narrow(gather(x, PATCH // STEM)), self.coarse)
        return torch.tanh(self.last(x).float())


class LeanDecoder:
    """Has `pictures` of the tokenizer whose weights it copies."""

    def __init__(self, tokenizer: Tokenizer, dtype: torch.dtype) -> None:
        first, coarse, widen, _, fine, last, _ = tokenizer.decoder
        self.dtype, self.grid = dtype, tokenizer.config.grid
        self.mean, self.deviation = tokenizer.mean, tokenizer.deviation
        grid = self.grid
        large = tuple(side * PATCH // STEM for side in grid)
        self.first = Conv(first, dtype, grid)
        self.coarse, self.fine = _blocks(coarse, dtype, grid), _blocks(fine, dtype, large)
        self.widen = _folded(widen, PATCH // STEM, dtype, grid)
        halved = last.weight / 2, last.bias / 2 + 0.5  # pictures are in 0..1, the decoder in -1..1
        self.last = _folded(last, STEM, dtype, large, *halved)

    def pictures(self, latents: Tensor) -> Tensor:
        """Standardised latents [b n c] -> [b 3 H W]; as Tokenizer.pictures."""
        bounded = torch.addcmul(self.mean, latents, self.deviation).clamp_(-1, 1).to(self.dtype)
        x = self.first(bounded.unflatten(1, self.grid).permute(0, 3, 1, 2))
        x = _residual(x, self.coarse)
        x = spread(self.widen(x).permute(0, 2, 3, 1), PATCH // STEM)
        x = _residual(x, self.fine)
        return spread(self.last(x).permute(0, 2, 3, 1), STEM)


def _blocks(
    blocks: nn.Sequential, dtype: torch.dtype, grid: tuple[int, int]
) -> list[tuple[Conv, Conv]]:
    return [(Conv(block.first, dtype, grid), Conv(block.second, dtype, grid)) for block in blocks]


def _folded(
    layer: nn.Conv2d, patch: int, dtype: torch.dtype, grid: tuple[int, int],
    weight: Tensor | None = None, bias: Tensor | None = None,
) -> Conv:  # fmt: skip
    weight, bias = (layer.weight, layer.bias) if weight is None else (weight, bias)
    return Conv(layer, dtype, grid, weight=fold(weight, patch), bias=fold(bias, patch))


def _residual(x: Tensor, blocks: list[tuple[Conv, Conv]]) -> Tensor:
    """x + conv(relu(conv(relu(x)))), block after block."""
    for first, second in blocks:
        x = second.plus(first.relu(F.relu(x)), x)
    return x

"""Convolutional tokenizer: a frame becomes a small grid of bounded latents, and back.

Space-to-depth stem and pixel-shuffle tail, so that no convolution runs above a quarter of the
resolution. Shapes: b batch, c latent channels, h w grid of latents, n = h w, H W pixels.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from worldmodel.errors import UserError

STEM = 4  # pixels to a side that the stem folds into channels
PATCH = 8  # pixels to a side of one latent


@dataclass(frozen=True, kw_only=True)
class TokenizerConfig:
    """Sizes of a tokenizer. `fine` and `coarse` are channels at 1/4 and 1/8 of the resolution.

    With `separable`, convolutions are separable ones, blocks with so many times as many channels
    inside; with 0 they are full ones, which take four times as long.
    """

    height: int = 96
    width: int = 128
    latent_channels: int = 16
    fine: int = 64
    coarse: int = 128
    encoder_blocks: tuple[int, int] = (1, 2)  # at 1/4, at 1/8
    decoder_blocks: tuple[int, int] = (3, 2)  # at 1/8, at 1/4
    separable: int = 0

    def __post_init__(self) -> None:
        sizes = self.height, self.width, self.latent_channels, self.fine, self.coarse
        if min(sizes) < 1:
            raise UserError(f"a tokenizer's sizes must be at least 1, found {min(sizes)}")
        if self.separable < 0:
            raise UserError(f"separable must be at least 0, found {self.separable}; give 2, or 0")
        if self.height % PATCH or self.width % PATCH:
            raise UserError(
                f"a tokenizer's frames must be multiples of {PATCH} pixels, found "
                f"{self.width}x{self.height}; choose another size"
            )

    @property
    def grid(self) -> tuple[int, int]:
        return self.height // PATCH, self.width // PATCH


def to_float(frames: Tensor) -> Tensor:
    """uint8 [... H W 3] -> float32 [... 3 H W] in 0..1."""
    return frames.movedim(-1, -3).float() / 255


def to_uint8(pictures: Tensor) -> Tensor:
    """float [... 3 H W] in 0..1 -> uint8 [... H W 3], rounded and clamped."""
    whole = pictures.float().mul(255).round_().clamp_(0, 255)
    return whole.to(torch.uint8).movedim(-3, -1)


class Block(nn.Module):
    """x + conv(relu(conv(relu(x)))), the second convolution starting at zero (Fixup)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(F.relu(self.first(F.relu(x))))


class SeparableBlock(nn.Module):
    """x + narrow(relu(widen(depthwise(x)))), the last convolution starting at zero: places are
    mixed in each channel by itself, and channels in each place (MobileNetV2, arXiv 1801.04381;
    ConvNeXt, arXiv 2201.03545)."""

    def __init__(self, channels: int, times: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.widen = nn.Conv2d(channels, times * channels, 1)
        self.narrow = nn.Conv2d(times * channels, channels, 1)
        nn.init.zeros_(self.narrow.weight)
        nn.init.zeros_(self.narrow.bias)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.narrow(F.relu(self.widen(self.depthwise(x))))


def separated(inputs: int, outputs: int) -> nn.Sequential:
    """A convolution of places in each channel by itself, and then of channels in each place."""
    depthwise = nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs)
    return nn.Sequential(depthwise, nn.Conv2d(inputs, outputs, 1))


def blocks(channels: int, count: int, separable: int = 0) -> nn.Sequential:
    """So many blocks of these channels, full ones or `separable` with so many times as many."""
    if separable:
        return nn.Sequential(*(SeparableBlock(channels, separable) for _ in range(count)))
    return nn.Sequential(*(Block(channels) for _ in range(count)))


class Tokenizer(nn.Module):
    """Encoder and decoder. Latents leave standardised: (tanh(z) - mean) / deviation, a channel."""

    mean: Tensor  # [c]
    deviation: Tensor  # [c]

    def __init__(self, config: TokenizerConfig) -> None:
        super().__init__()
        self.config = config
        c, fine, coarse = config.latent_channels, config.fine, config.coarse
        times, taps = config.separable, 1 if config.separable else 3
        self.encoder = nn.Sequential(
            nn.PixelUnshuffle(STEM),
            nn.Conv2d(3 * STEM**2, fine, taps, padding=taps // 2),
            blocks(fine, config.encoder_blocks[0], times),
            nn.PixelUnshuffle(PATCH // STEM),
            nn.Conv2d(fine * (PATCH // STEM) ** 2, coarse, 1),
            blocks(coarse, config.encoder_blocks[1], times),
            nn.Conv2d(coarse, c, taps, padding=taps // 2),
        )
        self.decoder = nn.Sequential(
            nn.Conv2d(c, coarse, 3, padding=1),
            blocks(coarse, config.decoder_blocks[0], times),
            nn.Conv2d(coarse, fine * (PATCH // STEM) ** 2, 1),
            nn.PixelShuffle(PATCH // STEM),
            blocks(fine, config.decoder_blocks[1], times),
            separated(fine, 3 * STEM**2) if times else nn.Conv2d(fine, 3 * STEM**2, 3, padding=1),
            nn.PixelShuffle(STEM),
        )
        self.register_buffer("mean", torch.zeros(c))
        self.register_buffer("deviation", torch.ones(c))

    def forward(self, pictures: Tensor, noise: Tensor) -> Tensor:
        """Training: [b 3 H W] and latent noise [b c h w] -> reconstruction [b 3 H W]."""
        return self.unbounded_pictures(self.bounded(pictures) + noise)

    def encode(self, frames: Tensor) -> Tensor:
        """uint8 [b H W 3] -> standardised latents float32 [b n c]."""
        return self.standardise(self.bounded(to_float(frames)))

    def decode(self, latents: Tensor) -> Tensor:
        """Standardised latents [b n c] -> frames uint8 [b H W 3]."""
        return to_uint8(self.pictures(latents))

    def bounded(self, pictures: Tensor) -> Tensor:
        """[b 3 H W] in 0..1 -> [b c h w] in -1..1."""
        return torch.tanh(self.encoder(pictures * 2 - 1).float())

    def unbounded_pictures(self, bounded: Tensor) -> Tensor:
        """[b c h w] in -1..1 -> [b 3 H W], about 0..1 but not clamped."""
        return self.decoder(bounded) / 2 + 0.5

    def latents(self, pictures: Tensor) -> Tensor:
        """[b 3 H W] in 0..1 -> standardised latents [b n c]."""
        return self.standardise(self.bounded(pictures))

    def standardise(self, bounded: Tensor) -> Tensor:
        """[b c h w] in -1..1 -> [b n c] with zero mean and unit deviation a channel."""
        return (rearrange(bounded, "b c h w -> b (h w) c") - self.mean) / self.deviation

    def clamp(self, latents: Tensor) -> Tensor:
        """The nearest latents [... n c] that the encoder's tanh could have produced."""
        low, high = (-1 - self.mean) / self.deviation, (1 - self.mean) / self.deviation
        return latents.clamp(low, high)

    def pictures(self, latents: Tensor) -> Tensor:
        """Standardised latents [b n c] -> [b 3 H W], about 0..1 but not clamped."""
        h, w = self.config.grid
        bounded = (latents * self.deviation + self.mean).clamp(-1, 1)
        return self.unbounded_pictures(rearrange(bounded, "b (h w) c -> b c h w", h=h, w=w))

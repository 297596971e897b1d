"""Outpainter: dreams what lies beside the picture, before anybody has seen it.

What comes into view does so by a few pixels a frame, and a frame that has to invent a strip three
pixels wide makes mush of it. So a second network of the world's own kind looks at the picture
pushed aside by half its width and dreams the empty half as one, off-screen
(worldmodel.model.offscreen). It learns from single frames, of which it is shown a part.
Shapes: b batch, n latents of a frame, c latent channels, h w latent grid, d width, s tokens,
f features of the convolutional stem, H' W' pixels of the whole.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from worldmodel.model.estimate import linear_estimate
from worldmodel.model.layers import PATCH, ConvBlock, TransformerBlock, norm, require_sizes
from worldmodel.model.levels import LEVEL_WAVES, level_waves
from worldmodel.model.rotary import space_angles
from worldmodel.model.tokenizer import PATCH as CELL
from worldmodel.model.tokenizer import Tokenizer

LEVELS = 3  # places for levels in a world's condition: here the other two are empty
PRIOR = 0.8  # correlation of known latents with what they become, before anything is learned


@dataclass(frozen=True, kw_only=True)
class OutpainterConfig:
    """Sizes of an outpainter: those of a world, whose weights it can begin with."""

    grid: tuple[int, int] = (12, 16)
    latent_channels: int = 16
    width: int = 192
    depth: int = 6
    heads: int = 3
    features: int = 64
    stem_blocks: int = 2
    head_blocks: int = 1
    looks: int = 8  # of the sampler, in play

    def __post_init__(self) -> None:
        counts = self.stem_blocks + 1, self.head_blocks + 1  # of these there may be none
        sizes = self.latent_channels, self.depth, self.features, self.looks
        require_sizes(self, "an outpainter", *sizes, *counts)

    @property
    def head(self) -> int:
        return self.width // self.heads


class Outpainter(nn.Module):
    """outpainter(noisy [b n c], tau [b], start [b n c], known [b n]) -> clean latents [b n c].

    `start` are the latents of a picture of which a part is known, the rest being its edges gone on;
    `known` is the share of each of their places that is known.
    """

    def __init__(self, config: OutpainterConfig) -> None:
        super().__init__()
        self.config = config
        c, d, f = config.latent_channels, config.width, config.features
        self.levels = nn.Sequential(
            nn.Linear(LEVELS * 2 * LEVEL_WAVES, d), nn.SiLU(), nn.Linear(d, d)
        )
        self.stem_in = nn.Conv2d(2 * c, f, 3, padding=1)
        self.shares = nn.Conv2d(1, f, 3, padding=1, bias=False)
        self.stem = nn.ModuleList(ConvBlock(f, d) for _ in range(config.stem_blocks))
        self.patch = nn.Linear(f * PATCH**2, d)
        self.modulation = nn.Linear(d, 6 * d)
        self.blocks = nn.ModuleList(
            TransformerBlock(d, config.heads, dense=False, depth=config.depth)
            for _ in range(config.depth)
        )
        self.unpatch = nn.Linear(d, f * PATCH**2)
        self.head = nn.ModuleList(ConvBlock(f, d) for _ in range(config.head_blocks))
        self.head_out = nn.Conv2d(f, c, 3, padding=1)
        for zero in (self.modulation, self.head_out):
            nn.init.zeros_(zero.weight)
            nn.init.zeros_(zero.bias)
        nn.init.zeros_(self.shares.weight)
        turn = space_angles(config.grid[0] // PATCH, config.grid[1] // PATCH, config.head)
        self.register_buffer("space", turn, persistent=False)  # [s e/2]

    def forward(self, noisy: Tensor, tau: Tensor, start: Tensor, known: Tensor) -> Tensor:
        h, w = self.config.grid
        waves = F.pad(level_waves(tau), (0, (LEVELS - 1) * 2 * LEVEL_WAVES))
        condition = F.silu(self.levels(waves))
        on_grid = (
            rearrange(a, "b (h w) c -> b c h w", h=h, w=w).contiguous(
                memory_format=torch.channels_last
            )
            for a in (torch.cat([noisy, start], dim=-1), known[..., None])
        )
        shown, share = on_grid
        local = self.stem_in(shown) + self.shares(share)
        for block in self.stem:
            local = block(local, condition)
        x = self.patch(rearrange(local, "b f (h p) (w q) -> b 1 (h w) (f p q)", p=PATCH, q=PATCH))
        modulation = self.modulation(condition)[:, None].unflatten(-1, (1, 6, -1))
        for block in self.blocks:
            x, _ = block(x, modulation, self.space, None, None)
        out = rearrange(
            self.unpatch(norm(x)), "b 1 (h w) (f p q) -> b f (h p) (w q)",
            h=h // PATCH, w=w // PATCH, p=PATCH, q=PATCH,
        ).contiguous(memory_format=torch.channels_last)  # fmt: skip
        out = out + local
        for block in self.head:
            out = block(out, condition)
        left_over = rearrange(self.head_out(F.relu(out)), "b c h w -> b (h w) c").float()
        rho = PRIOR * known[..., None].square()
        mean, deviation = linear_estimate(noisy, tau, start, torch.ones_like(tau), rho)
        return mean + deviation * left_over

    def begun(self, tokenizer: Tokenizer, pictures: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """`start` and `known` of pictures [b 3 H W] of which pixels [b 1 H W] are known."""
        start = tokenizer.standardise(tokenizer.bounded(pictures))
        return start, F.avg_pool2d(known, CELL).flatten(1)

"""Critics, which tell real frames from made ones patch by patch (Isola et al., arXiv 1611.07004).

Shapes: b frames, n latents of a frame, c channels, h w latent grid, H W pixels.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

SLOPE = 0.2  # of the leaky rectifier
FOLD = 2  # pixels to a side that the first convolution of a critic of pictures sees as one


@dataclass(frozen=True, kw_only=True)
class CriticConfig:
    """Sizes of the critic; `grid` and `latent_channels` are the world's."""

    grid: tuple[int, int] = (12, 16)
    latent_channels: int = 16
    features: int = 64
    blocks: int = 3


class Critic(nn.Module):
    """critic(frames, started_from, before [b n c]) -> scores [b s], real frames higher.

    It judges latents (Lin et al., arXiv 2501.08316): does this frame belong to what it started from
    and to the one before? So small that it costs little beside the world that it judges.
    One score for each place and one for each square of two by two places.
    """

    def __init__(self, config: CriticConfig) -> None:
        super().__init__()
        self.config = config
        f = config.features
        self.first = nn.Conv2d(3 * config.latent_channels, f, 3, padding=1)
        self.blocks = nn.ModuleList(nn.Conv2d(f, f, 3, padding=1) for _ in range(config.blocks))
        self.near = nn.Conv2d(f, 1, 1)
        self.down = nn.Conv2d(f, 2 * f, 4, stride=2, padding=1)
        self.far = nn.Conv2d(2 * f, 1, 3, padding=1)

    def forward(self, frames: Tensor, started_from: Tensor, before: Tensor) -> Tensor:
        h, w = self.config.grid
        shown = torch.cat([frames, started_from, before], dim=-1)
        x = self.first(rearrange(shown, "b (h w) c -> b c h w", h=h, w=w))
        for block in self.blocks:
            x = x + block(F.leaky_relu(x, SLOPE))
        x = F.leaky_relu(x, SLOPE)
        far = self.far(F.leaky_relu(self.down(x), SLOPE))
        return torch.cat([self.near(x).flatten(1), far.flatten(1)], dim=1).float()


class PatchCritic(nn.Module):
    """critic(pictures [b 3 H W] in 0..1) -> scores [b H/4 W/4], positive where it looks real.

    A score rests on 22x22 pixels: textures and edges, not the scene.
    """

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.PixelUnshuffle(FOLD),
            nn.Conv2d(3 * FOLD**2, width, 3, padding=1),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(width, 2 * width, 4, stride=2, padding=1),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(2 * width, 2 * width, 3, padding=1),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(2 * width, 1, 1),
        )

    def forward(self, pictures: Tensor) -> Tensor:
        return self.layers(pictures * 4 - 2)[:, 0].float()

"""Motion: where the keys will carry what is in the picture, as a flow field.

A small network sees the last latent and the last few controls and says for every place of the next
picture where in the last one it comes from (cf. Finn et al., arXiv 1605.07157). The picture moved
along this flow and encoded again is the carried latent: what the world's transformer starts from.
Shapes: b batch, n latents of a frame, c latent channels, r controls remembered, m controls,
h w latent grid, H W pixels.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from worldmodel.errors import UserError
from worldmodel.model.cache import FrameCache
from worldmodel.model.layers import ConvBlock
from worldmodel.model.tokenizer import Tokenizer

FINER = 2  # flow vectors to a side of one latent
REACH = 0.1  # of the picture's half width: what one unit of the last layer moves


@dataclass(frozen=True, kw_only=True)
class MotionConfig:
    """Sizes of the motion network; `history` controls, the newest first, tell speed and turn."""

    grid: tuple[int, int] = (12, 16)
    latent_channels: int = 16
    controls: int = 6
    history: int = 4
    features: int = 48
    blocks: int = 3
    code: int = 64

    def __post_init__(self) -> None:
        if min(self.history, self.features, self.blocks, self.code) < 1:
            raise UserError(f"all sizes of the motion network must be at least 1, found {self}")


class Motion(nn.Module):
    """motion(latent [b n c], recent [b r m]) -> flow [b 2 H/4 W/4] in half picture sizes."""

    places: Tensor  # [1 2 h w], x and y of each latent in -1..1

    def __init__(self, config: MotionConfig) -> None:
        super().__init__()
        self.config = config
        h, w = config.grid
        f, d = config.features, config.code
        self.code = nn.Sequential(
            nn.Linear(config.history * config.controls, d), nn.SiLU(), nn.Linear(d, d), nn.SiLU()
        )
        self.first = nn.Conv2d(config.latent_channels + 2, f, 3, padding=1)
        self.blocks = nn.ModuleList(ConvBlock(f, d) for _ in range(config.blocks))
        self.last = nn.Conv2d(f, 2 * FINER**2, 3, padding=1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)
        self.everywhere = nn.Parameter(0.01 * torch.randn(d, 2, h, w))  # flow that keys alone tell
        self.register_buffer("places", centres(h, w), persistent=False)

    def forward(self, latent: Tensor, recent: Tensor) -> Tensor:
        h, w = self.config.grid
        code = self.code(recent.flatten(1).nan_to_num())
        x = rearrange(latent, "b (h w) c -> b c h w", h=h, w=w)
        x = self.first(torch.cat([x, self.places.expand(len(x), -1, -1, -1)], dim=1))
        for block in self.blocks:
            x = block(x, code)
        fine = REACH * F.pixel_shuffle(self.last(F.relu(x)), FINER).float()
        coarse = torch.einsum("b d, d v h w -> b v h w", code.float(), self.everywhere)
        return fine + F.interpolate(coarse, scale_factor=FINER, mode="bilinear")


def moved(pictures: Tensor, flow: Tensor) -> Tensor:
    """Pictures [b 3 H W] sampled where `flow` [b 2 h' w'] points, bilinearly; edges repeat."""
    height, width = pictures.shape[-2:]
    flow = F.interpolate(flow, size=(height, width), mode="bilinear")
    at = (centres(height, width).to(flow.device) + flow).movedim(1, -1)
    return F.grid_sample(pictures, at, align_corners=False, padding_mode="border")


def carried(
    motion: Motion, tokenizer: Tokenizer, latent: Tensor, pictures: Tensor, recent: Tensor
) -> Tensor:
    """The latents [b n c] of pictures [b 3 H W], shown by `latent`, moved as `recent` keys tell."""
    picture = moved(pictures.float(), motion(latent, recent))
    return tokenizer.standardise(tokenizer.bounded(picture))


class Carrier:
    """Motion and tokenizer together: what a world with motion asks for, frame by frame."""

    def __init__(self, motion: Motion, tokenizer: Tokenizer) -> None:
        self.motion, self.tokenizer = motion, tokenizer

    def carry(self, cache: FrameCache, controls: Tensor) -> tuple[Tensor, Tensor]:
        """The last frame moved as `controls` [b m] say: latents [b 1 n c] and level [b 1].

        Before the first frame there is nothing to move: zeros, at the level of pure noise.
        """
        memory, history = cache.memory, self.motion.config.history
        if memory.picture.ndim < 4:
            return memory.latent[:, None], memory.tau[:, None]
        recent = torch.cat([controls[:, None], memory.recent[:, : history - 1]], dim=1)
        latents = carried(self.motion, self.tokenizer, memory.latent, memory.picture, recent)
        return latents[:, None], torch.ones_like(memory.tau)[:, None]

    def carry_clip(self, latents: Tensor, controls: Tensor) -> Tensor:
        """What each frame of a clip [b t n c] starts from under controls [b t m]; zeros first."""
        history = self.motion.config.history
        padded = F.pad(controls, (0, 0, history - 1, 0))
        starts = [torch.zeros_like(latents[:, 0])]
        for i in range(1, latents.shape[1]):
            recent = padded[:, i : i + history].flip(1)
            before = latents[:, i - 1]
            picture = self.picture(before)
            starts.append(carried(self.motion, self.tokenizer, before, picture, recent))
        return torch.stack(starts, dim=1)

    def picture(self, latent: Tensor) -> Tensor:
        """The frame [b 3 H W] of latents [b n c], as the next one will be moved from it."""
        return self.tokenizer.pictures(latent).float().clamp(0, 1)


def centres(height: int, width: int) -> Tensor:
    """x and y [1 2 height width] of the middles of a grid's cells, each in -1..1."""
    y = (torch.arange(height) + 0.5) / height * 2 - 1
    x = (torch.arange(width) + 0.5) / width * 2 - 1
    return torch.stack([x.expand(height, width), y[:, None].expand(height, width)])[None]

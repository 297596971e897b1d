"""Motion: where the keys will carry what is in the picture, as a flow field.

A small network sees the last two latents and the last few controls and says for every place of the
next picture where in the last one it comes from (cf. Finn et al., arXiv 1605.07157). The picture
moved along this flow and encoded again is the carried latent: what the world's transformer starts
from. Controls tell where the player wants to go, the change between the latents whether he gets
there: someone who runs into a wall holds the same keys as someone who runs.
Shapes: b batch, n latents of a frame, c latent channels, r controls remembered, m controls,
h w latent grid, H W pixels.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from worldmodel.errors import UserError
from worldmodel.model.cache import FrameCache
from worldmodel.model.layers import ConvBlock
from worldmodel.model.tokenizer import PATCH, Tokenizer

FINER = 2  # flow vectors to a side of one latent
REACH = 0.1  # of the picture's half width: what one unit of the last layer moves


@dataclass(frozen=True, kw_only=True)
class MotionConfig:
    """Sizes of the motion network; `history` controls, the newest first, tell speed and turn."""

    grid: tuple[int, int] = (12, 16)
    latent_channels: int = 16
    controls: int = 6
    history: int = 8
    features: int = 64
    blocks: int = 4
    code: int = 64

    def __post_init__(self) -> None:
        if min(self.history, self.features, self.blocks, self.code) < 1:
            raise UserError(f"all sizes of the motion network must be at least 1, found {self}")


class Carried(NamedTuple):
    """What a frame starts from: the last one, moved as the keys say."""

    latents: Tensor  # [b 1 n c]
    tau: Tensor  # [b 1], their noise level
    known: Tensor  # [b 1 n], the share of each place that was in the last picture
    moves: Tensor  # [b 1], pixels by which its places move on average
    last: Tensor  # [b 1 n c], the last frame's latents as they were


class Motion(nn.Module):
    """motion(latent, earlier [b n c], recent [b r m]) -> flow [b 2 H/4 W/4] in half picture sizes.

    `latent` is the last frame's and `earlier` that of the one before.
    """

    places: Tensor  # [1 2 h w], x and y of each latent in -1..1

    def __init__(self, config: MotionConfig) -> None:
        super().__init__()
        self.config = config
        h, w = config.grid
        f, d = config.features, config.code
        self.first = nn.Conv2d(2 * config.latent_channels + 2, f, 3, padding=1)
        told = config.history * config.controls + f
        self.code = nn.Sequential(nn.Linear(told, d), nn.SiLU(), nn.Linear(d, d), nn.SiLU())
        self.blocks = nn.ModuleList(ConvBlock(f, d) for _ in range(config.blocks))
        self.last = nn.Conv2d(f, 2 * FINER**2, 3, padding=1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)
        self.everywhere = nn.Parameter(0.01 * torch.randn(d, 2, h, w))  # what the code alone tells
        self.register_buffer("places", centres(h, w), persistent=False)

    def forward(self, latent: Tensor, earlier: Tensor, recent: Tensor) -> Tensor:
        h, w = self.config.grid
        seen, change = (
            rearrange(a, "b (h w) c -> b c h w", h=h, w=w) for a in (latent, latent - earlier)
        )
        x = self.first(torch.cat([seen, change, self.places.expand(len(seen), -1, -1, -1)], dim=1))
        keys = torch.where(recent.isnan(), 0.0, recent).flatten(1)
        code = self.code(torch.cat([keys, F.relu(x).mean(dim=(2, 3))], dim=1))
        for block in self.blocks:
            x = block(x, code)
        fine = REACH * F.pixel_shuffle(self.last(F.relu(x)), FINER).float()
        coarse = torch.einsum("b d, d v h w -> b v h w", code.float(), self.everywhere)
        return fine + F.interpolate(coarse, scale_factor=FINER, mode="bilinear")

    def carried(
        self, tokenizer: Tokenizer, latent: Tensor, earlier: Tensor, pictures: Tensor,
        recent: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
        """Pictures [b 3 H W], those of `latent`, moved along the flow: their latents [b n c], the
        share [b n] of each latent's place that was in the picture, and the mean way [b] in pixels.
        """
        flow, (height, width) = self(latent, earlier, recent), pictures.shape[-2:]
        at = sources(flow, (height, width))
        half = torch.tensor([width / 2, height / 2], device=flow.device).view(1, 2, 1, 1)
        moves = (flow * half).abs().amax(dim=1).mean(dim=(1, 2))
        latents = tokenizer.standardise(tokenizer.bounded(sampled(pictures.float(), at)))
        inside = (at.abs() <= 1).all(dim=1, keepdim=True).float()
        return latents, F.avg_pool2d(inside, PATCH).flatten(1), moves


def sources(flow: Tensor, size: tuple[int, int]) -> Tensor:
    """Where the pixels of a picture of `size` come from, x and y [b 2 H W] in -1..1, by `flow`."""
    flow = F.interpolate(flow, size=size, mode="bilinear")
    return centres(*size).to(flow.device) + flow


def sampled(pictures: Tensor, at: Tensor) -> Tensor:
    """Pictures [b 3 H W] at the places `at` [b 2 H W], bilinearly; edges repeat."""
    return F.grid_sample(pictures, at.movedim(1, -1), align_corners=False, padding_mode="border")


def moved(pictures: Tensor, flow: Tensor) -> Tensor:
    """Pictures [b 3 H W] sampled where `flow` [b 2 h' w'] points."""
    return sampled(pictures, sources(flow, tuple(pictures.shape[-2:])))


class Carrier:
    """Motion and tokenizer together: what a world with motion asks for, frame by frame."""

    def __init__(self, motion: Motion, tokenizer: Tokenizer) -> None:
        self.motion, self.tokenizer = motion, tokenizer

    def carry(self, cache: FrameCache, controls: Tensor) -> Carried:
        """The last frame moved as `controls` [b m] say.

        Before the first frame there is nothing to move: zeros, at the level of pure noise.
        """
        memory, history = cache.memory, self.motion.config.history
        if memory.picture.ndim < 4:
            last, tau = memory.latent[:, None], memory.tau[:, None]
            never = torch.full_like(tau, torch.inf)
            return Carried(last, tau, torch.zeros_like(last[..., 0]), never, last)
        recent = torch.cat([controls[:, None], memory.recent[:, : history - 1]], dim=1)
        latents, known, moves = self.motion.carried(
            self.tokenizer, memory.latent, memory.earlier, memory.picture, recent
        )
        parts = latents, torch.ones_like(memory.tau), known, moves, memory.latent
        return Carried(*(part[:, None] for part in parts))

    def carry_clip(self, latents: Tensor, controls: Tensor) -> Tensor:
        """What each frame of a clip [b t n c] starts from under controls [b t m]; zeros first."""
        history = self.motion.config.history
        padded = F.pad(controls, (0, 0, history - 1, 0))
        starts = [torch.zeros_like(latents[:, 0])]
        for i in range(1, latents.shape[1]):
            recent = padded[:, i : i + history].flip(1)
            before, earlier = latents[:, i - 1], latents[:, max(i - 2, 0)]
            picture = self.picture(before)
            starts.append(self.motion.carried(self.tokenizer, before, earlier, picture, recent)[0])
        return torch.stack(starts, dim=1)

    def picture(self, latent: Tensor) -> Tensor:
        """The frame [b 3 H W] of latents [b n c], as the next one will be moved from it."""
        return self.tokenizer.pictures(latent).float().clamp(0, 1)


def centres(height: int, width: int) -> Tensor:
    """x and y [1 2 height width] of the middles of a grid's cells, each in -1..1."""
    y = (torch.arange(height) + 0.5) / height * 2 - 1
    x = (torch.arange(width) + 0.5) / width * 2 - 1
    return torch.stack([x.expand(height, width), y[:, None].expand(height, width)])[None]

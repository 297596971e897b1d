"""Outpainter: dreams what lies beside the picture, before anybody has seen it.

What comes into view does so by a few pixels a frame, and a frame that has to invent a strip three
pixels wide makes mush of it. So a second network of the world's own kind looks at the picture
pushed aside by half its width and dreams the empty half as one, off-screen
(worldmodel.model.offscreen). It learns from single frames, of which it is shown a part. What it
has dreamed is all that it sees of a level after a while, and colours would drift from window to
window; so it may also be shown the picture that the dream began with, which stays real. And it may
have recorded pictures (worldmodel.model.exemplars), from which Outlook recalls what fits instead.
Shapes: b batch, n latents of a frame, c latent channels, h w latent grid, d width, s tokens,
l blocks, k heads, e head size, f features of the convolutional stem, H W pixels.
"""

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from worldmodel.errors import UserError
from worldmodel.model.estimate import linear_estimate
from worldmodel.model.exemplars import Exemplars
from worldmodel.model.layers import (
    PATCH,
    ConvBlock,
    KeysValues,
    Past,
    TransformerBlock,
    norm,
    require_sizes,
)
from worldmodel.model.levels import LEVEL_WAVES, level_waves
from worldmodel.model.rotary import rotate, space_angles
from worldmodel.model.tokenizer import PATCH as CELL
from worldmodel.model.tokenizer import Tokenizer

LEVELS = 3  # places for levels in a world's condition: here the other two are empty
ELSEWHERE = 37  # places further on, the noise of the next look
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
    guidance: float = 1.0  # of the first of them, by what a network without attention would dream
    opening: bool = False  # whether it is shown the picture that a dream began with
    exemplars: tuple[int, int] = (0, 0)  # recorded pictures that it recalls from, and their bytes

    def __post_init__(self) -> None:
        counts = self.stem_blocks + 1, self.head_blocks + 1  # of these there may be none
        sizes = self.latent_channels, self.depth, self.features, self.looks
        require_sizes(self, "an outpainter", *sizes, *counts)
        if min(self.exemplars) < 0:
            raise UserError(f"an outpainter's exemplars must be 0 or more, found {self.exemplars}")
        if not self.guidance >= 1:
            raise UserError(f"an outpainter's guidance must be at least 1, found {self.guidance}")

    @property
    def head(self) -> int:
        return self.width // self.heads


class Outpainter(nn.Module):
    """outpainter(noisy [b n c], tau [b], start [b n c], known [b n], *opened) -> clean [b n c].

    `start` are the latents of a picture of which a part is known, the rest being its edges gone on;
    `known` is the share of each of their places that is known. `opened` is what `opened` returns of
    the picture that the dream began with.
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
            TransformerBlock(d, config.heads, dense=True, depth=config.depth)
            for _ in range(config.depth)
        )
        self.unpatch = nn.Linear(d, f * PATCH**2)
        self.head = nn.ModuleList(ConvBlock(f, d) for _ in range(config.head_blocks))
        self.head_out = nn.Conv2d(f, c, 3, padding=1)
        for zero in (self.modulation, self.head_out):
            nn.init.zeros_(zero.weight)
            nn.init.zeros_(zero.bias)
        nn.init.zeros_(self.shares.weight)
        if config.opening:
            self.opens = nn.Parameter(torch.zeros(d))  # added to the tokens of such a picture
        self.exemplars = Exemplars(*config.exemplars) if config.exemplars[0] else None
        tokens = config.grid[0] // PATCH, config.grid[1] // PATCH
        turn = space_angles(*tokens, config.head)
        self.register_buffer("space", turn, persistent=False)  # [s e/2]
        above = space_angles(*tokens, config.head, top=-tokens[0])
        self.register_buffer("above", above, persistent=False)  # [s e/2], where an opening lies

    def with_exemplars(self, exemplars: Exemplars) -> "Outpainter":
        """One like this that recalls from these."""
        found = Outpainter(replace(self.config, exemplars=exemplars.sizes))
        own = {k: v for k, v in self.state_dict().items() if not k.startswith("exemplars.")}
        recorded = {f"exemplars.{k}": v for k, v in exemplars.state_dict().items()}
        found.load_state_dict(own | recorded)
        return found.eval()

    def forward(
        self, noisy: Tensor, tau: Tensor, start: Tensor, known: Tensor, *opened: Tensor
    ) -> Tensor:
        condition, local = self._stem(noisy, tau, start, known)
        return self._estimate(noisy, tau, start, known, self._body(condition, local, opened))

    def guided(
        self, noisy: Tensor, tau: Tensor, start: Tensor, known: Tensor, *opened: Tensor
    ) -> Tensor:
        """What `forward` returns, further away from what it would be if no token attended to any
        other: shapes that go on across the picture instead of a mist (perturbed attention guidance,
        Ahn et al., arXiv 2403.17377, equation 16)."""
        condition, local = self._stem(noisy, tau, start, known)
        clear, blind = (self._body(condition, local, opened, alone=a) for a in (False, True))
        further = blind + self.config.guidance * (clear - blind)
        return self._estimate(noisy, tau, start, known, further)

    def opened(self, tokenizer: Tokenizer, pictures: Tensor) -> tuple[Tensor, ...]:
        """Keys and values [b l k s e] of the pictures [b 3 H W] that dreams began with, as of what
        is known right above the picture: that is what it has learned to go on from. Nothing of an
        outpainter that is not shown them."""
        if not self.config.opening:
            return ()
        latents = tokenizer.standardise(tokenizer.bounded(pictures))
        all_known = torch.ones_like(latents[..., 0])
        nothing, begin = torch.zeros_like(latents), torch.zeros_like(latents[:, 0, 0])
        condition, local = self._stem(nothing, begin, latents, all_known)
        _, kept = self._blocks(self._tokens(local) + self.opens, condition, ())
        keys = torch.stack([rotate(key[:, 0], self.above) for key, _ in kept], dim=1)
        return keys, torch.stack([value[:, 0] for _, value in kept], dim=1)

    def _stem(
        self, noisy: Tensor, tau: Tensor, start: Tensor, known: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Condition [b d] and features [b f h w]."""
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
        return condition, local

    def _body(
        self, condition: Tensor, local: Tensor, opened: tuple[Tensor, ...], *, alone: bool = False
    ) -> Tensor:
        """What the linear estimate leaves over [b n c], in its deviations."""
        h, w = self.config.grid
        x, _ = self._blocks(self._tokens(local), condition, opened, alone=alone)
        out = rearrange(
            self.unpatch(norm(x)), "b 1 (h w) (f p q) -> b f (h p) (w q)",
            h=h // PATCH, w=w // PATCH, p=PATCH, q=PATCH,
        ).contiguous(memory_format=torch.channels_last)  # fmt: skip
        out = out + local
        for block in self.head:
            out = block(out, condition)
        return rearrange(self.head_out(F.relu(out)), "b c h w -> b (h w) c").float()

    def _tokens(self, local: Tensor) -> Tensor:
        """Features [b f h w] as tokens [b 1 s d]."""
        return self.patch(
            rearrange(local, "b f (h p) (w q) -> b 1 (h w) (f p q)", p=PATCH, q=PATCH)
        )

    def _blocks(
        self, x: Tensor, condition: Tensor, opened: tuple[Tensor, ...], *, alone: bool = False
    ) -> tuple[Tensor, list[KeysValues]]:
        """Tokens [b 1 s d] after all blocks, and each one's keys and values [b 1 k s e]."""
        modulation, kept = self.modulation(condition)[:, None].unflatten(-1, (1, 6, -1)), []
        for i, block in enumerate(self.blocks):
            past = Past(*(part[:, i] for part in opened), None) if opened else None
            x, own = block(x, modulation, self.space, past, None, alone=alone)
            kept.append(own)
        return x, kept

    def _estimate(
        self, noisy: Tensor, tau: Tensor, start: Tensor, known: Tensor, left_over: Tensor
    ) -> Tensor:
        """Clean latents [b n c]: the linear estimate and what it leaves over."""
        rho = PRIOR * known[..., None].square()
        mean, deviation = linear_estimate(noisy, tau, start, torch.ones_like(tau), rho)
        return mean + deviation * left_over

    def begun(self, tokenizer: Tokenizer, pictures: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """`start` and `known` of pictures [b 3 H W] of which pixels [b 1 H W] are known."""
        start = tokenizer.standardise(tokenizer.bounded(pictures))
        return start, F.avg_pool2d(known, CELL).flatten(1)


def noised_again(clean: Tensor, noise: Tensor, look: int, looks: int) -> Tensor:
    """What the outpainter is given after so many of its looks, of which the last found `clean`
    [b n c].

    Each look is given other noise, which is the first one elsewhere: only what the last look took
    to be there is kept of it, as in the sampler of a consistency model (Song et al., arXiv
    2303.01469, algorithm 1).
    """
    tau = look / looks
    return tau * clean + (1 - tau) * noise.roll(look * ELSEWHERE, dims=1)

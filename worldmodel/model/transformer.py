"""The world: a diffusion transformer that predicts clean latent frames from noisy ones.

Tokens of a frame see each other; frames see the past. `cache=None` is training and the oracle.
Shapes: b batch, t frames, n latents of a frame, c latent channels, h w latent grid, m controls,
d width, s tokens of a frame (2x2 latents each), f features of the convolutional stem.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from worldmodel.errors import UserError
from worldmodel.model.cache import FrameCache, past_mask
from worldmodel.model.estimate import linear_estimate
from worldmodel.model.layers import (
    PATCH,
    Clip,
    ConditionedWarp,
    ConvBlock,
    KeysValues,
    Past,
    TransformerBlock,
    norm,
    require_sizes,
)
from worldmodel.model.levels import LEVEL_WAVES, level_waves
from worldmodel.model.recall import chosen, recalled, together
from worldmodel.model.rotary import Turns, space_angles, time_angles

Carried = tuple[Tensor, ...]  # latents [b t n c], their noise level [b t]; what else is not read


@dataclass(frozen=True, kw_only=True)
class WorldConfig:
    """Sizes of a world. `dense` names the blocks that attend over time, `window` frames back."""

    grid: tuple[int, int] = (12, 16)
    latent_channels: int = 16
    controls: int = 6
    width: int = 192
    depth: int = 6
    heads: int = 3
    dense: tuple[int, ...] = (1, 3)
    window: int = 12
    features: int = 64
    stem_blocks: int = 2
    head_blocks: int = 1
    history: int = 0  # controls that the motion network is shown; 0: a world without motion
    jumps: bool = False  # it has learned how far a look will jump; otherwise it is not told

    def __post_init__(self) -> None:
        sizes = self.latent_channels, self.controls, self.depth, self.window, self.features
        require_sizes(self, "a world", *sizes)
        if not self.dense or not all(0 <= i < self.depth for i in self.dense):
            raise UserError(f"dense blocks must lie in 0..{self.depth - 1}, found {self.dense}")

    @property
    def tokens(self) -> int:
        return self.grid[0] // PATCH * self.grid[1] // PATCH

    @property
    def head(self) -> int:
        return self.width // self.heads


class WorldTransformer(nn.Module):
    """transformer(latents [b t n c], tau [b t], jump [b t], controls [b t m]) -> clean latents."""

    rho: Tensor  # [c], correlation of a latent channel from one frame to the next

    def __init__(self, config: WorldConfig) -> None:
        super().__init__()
        self.config = config
        c, d, f = config.latent_channels, config.width, config.features
        self.levels = nn.Sequential(nn.Linear(3 * 2 * LEVEL_WAVES, d), nn.SiLU(), nn.Linear(d, d))
        self.keys = nn.Linear(config.controls, d, bias=False)
        self.earlier_keys = nn.Linear(config.controls, d, bias=False)
        self.unknown = nn.Parameter(torch.zeros(2, d))
        # where no motion network moves the frame before, the keys do it here
        self.warp = None if config.history else ConditionedWarp(c, d, config.grid)
        self.stem_in = nn.Conv2d(2 * c + (self.warp.features if self.warp else 0), f, 3, padding=1)
        self.stem = nn.ModuleList(ConvBlock(f, d) for _ in range(config.stem_blocks))
        self.patch = nn.Linear(f * PATCH**2, d)
        self.modulation = nn.Linear(d, 6 * d)
        self.blocks = nn.ModuleList(
            TransformerBlock(d, config.heads, dense=i in config.dense, depth=config.depth)
            for i in range(config.depth)
        )
        self.unpatch = nn.Linear(d, f * PATCH**2)
        self.head = nn.ModuleList(ConvBlock(f, d) for _ in range(config.head_blocks))
        self.head_out = nn.Conv2d(f, c, 3, padding=1)
        for zero in (self.modulation, self.head_out):
            nn.init.zeros_(zero.weight)
            nn.init.zeros_(zero.bias)
        for table in (self.keys, self.earlier_keys):
            nn.init.normal_(table.weight, std=0.5)
        self.register_buffer("rho", torch.zeros(c))
        if config.history:  # how far to trust the carried latent, place by place
            self.trust = nn.Conv2d(f, c, 3, padding=1)
            nn.init.zeros_(self.trust.weight)
            nn.init.zeros_(self.trust.bias)
        rows, columns = config.grid[0] // PATCH, config.grid[1] // PATCH
        turn = space_angles(rows, columns, config.head)
        self.register_buffer("space", turn, persistent=False)  # [s e/2]
        self.turns = Turns(turn)
        slots = (torch.arange(config.window + 1).roll(-1) - 1).repeat_interleave(config.tokens)
        self.register_buffer("slots", slots, persistent=False)  # [w s + s]

    def forward(
        self,
        latents: Tensor,
        tau: Tensor,
        jump: Tensor,
        controls: Tensor,
        cache: FrameCache | None = None,
        carried: Carried | None = None,
    ) -> Tensor:
        """Clean latents [b t n c] for noisy ones; with a cache, t is 1 and the cache is only read.

        tau 0 is noise and 1 is clean; jump is the length of the step that will be made, 0 for the
        plain flow; controls are those that produced each frame, NaN where unknown. `carried` is the
        frame before as the motion network moved it, [b t n c], with its noise level [b t]; without
        it, the frame before as it was.
        """
        if cache is None:
            before = carried[:2] if carried else (_shifted(latents), _shifted(tau))
            before = *before, _shifted(controls)
            return self.predict(latents, tau, jump, controls, before, None)[0]
        given = self.before(cache, carried), self.recall(cache)
        clean, cache.looked = self.predict(latents, tau, jump, controls, *given)
        return clean

    def before(self, cache: FrameCache, carried: Carried | None) -> tuple[Tensor, Tensor, Tensor]:
        """What the next frame starts from: latents [b 1 n c], level [b 1], controls [b 1 m]."""
        memory = cache.memory
        start = carried[:2] if carried else (memory.latent[:, None], memory.tau[:, None])
        return (*start, memory.controls[:, None])

    def predict(
        self,
        latents: Tensor,
        tau: Tensor,
        jump: Tensor,
        controls: Tensor,
        before: tuple[Tensor, Tensor, Tensor],
        past: list[Past] | None,
    ) -> tuple[Tensor, KeysValues | None]:
        """`forward` once the frame before and the past are known; free of the cache's class. Also
        the keys and values [l b k n e] of the dense blocks, of a frame that has a past."""
        condition = self.condition(tau, jump, controls, before[1], before[2])
        local = self.local_features(latents, before[0], condition)
        x, kept = self.trunk(self.tokens(local), condition, past, self.config.depth)
        left_over = self.residual(x, local, condition)
        rho = self.correlation(local, len(latents))
        mean, deviation = linear_estimate(latents, tau, before[0], before[1], rho)
        return mean + deviation * left_over.float(), None if past is None else together(kept)

    def correlation(self, local: Tensor, batch: int) -> Tensor:
        """Of the frame before with this one: the measured [c], or a map [b t n c] in 0..1."""
        if not self.config.history:
            return self.rho
        logit = self.rho.clamp(0.02, 0.98).logit()
        trusted = rearrange(self.trust(local).float(), "(b t) c h w -> b t (h w) c", b=batch)
        return torch.sigmoid(logit + trusted)

    def commit(
        self,
        latent: Tensor,
        tau: Tensor,
        controls: Tensor,
        cache: FrameCache,
        carried: Carried | None = None,
        picture: Tensor | None = None,
        finishing_look: bool = True,
    ) -> None:
        """Remember a finished frame: latent [b n c] as the past shall show it, at level tau [b].

        `carried` is what its looks were given; `picture` [b 3 H W] is the frame decoded. Without a
        `finishing_look` it is remembered as its last look saw it, if there was one.
        """
        before = self.before(cache, carried)
        still = carried and (latent == carried.last[:, 0]).flatten(1).all(dim=1)
        found = None if finishing_look else cache.looked
        if found is None or (carried and still.any()):  # who stays has had no look of his own
            seen = self.memorise(latent, tau, controls, before, self.recall(cache))
            found = chosen(still, seen, found) if found else seen
        moved = [carried.flow, *carried[7:]] if carried else []
        cache.commit(*found, latent, tau, controls, picture, *(part[:, 0] for part in moved))

    def memorise(
        self,
        latent: Tensor,
        tau: Tensor,
        controls: Tensor,
        before: tuple[Tensor, Tensor, Tensor],
        past: list[Past],
    ) -> tuple[Tensor, Tensor]:
        """Keys and values [l b k n e] that the dense blocks keep of a frame."""
        now = tau[:, None], torch.zeros_like(tau)[:, None], controls[:, None]
        condition = self.condition(*now, before[1], before[2])
        local = self.local_features(latent[:, None], before[0], condition)
        _, kept = self.trunk(self.tokens(local), condition, past, max(self.config.dense) + 1)
        return together(kept)

    def condition(
        self, tau: Tensor, jump: Tensor, controls: Tensor, tau_before: Tensor, earlier: Tensor
    ) -> Tensor:
        """One vector [b t d] a frame: levels, jump, keys of this frame and of the last."""
        jump = jump if self.config.jumps else torch.zeros_like(jump)
        waves = torch.cat([level_waves(x) for x in (tau, tau_before, jump)], dim=-1)
        total = self.levels(waves)
        for table, given, default in zip(
            (self.keys, self.earlier_keys), (controls, earlier), self.unknown, strict=True
        ):
            known = ~given[..., :1].isnan()
            total = total + torch.where(known, table(torch.where(known, given, 0.0)), default)
        return F.silu(total)

    def local_features(self, latents: Tensor, before: Tensor, condition: Tensor) -> Tensor:
        """The stem: [b t n c] and the frame before -> features [bt f h w]."""
        h, w = self.config.grid
        flat = condition.flatten(0, 1)
        noisy, previous = (
            rearrange(a, "b t (h w) c -> (b t) c h w", h=h, w=w).contiguous(
                memory_format=torch.channels_last
            )
            for a in (latents, before)
        )
        shown = [noisy, previous] + ([self.warp(previous, flat)] if self.warp else [])
        x = self.stem_in(torch.cat(shown, dim=1))
        for block in self.stem:
            x = block(x, flat)
        return x

    def tokens(self, local: Tensor) -> Tensor:
        """Stem features [bt f h w] -> tokens [bt s d]."""
        return self.patch(rearrange(local, "b f (h p) (w q) -> b (h w) (f p q)", p=PATCH, q=PATCH))

    def trunk(
        self, x: Tensor, condition: Tensor, past: list[Past] | None, depth: int
    ) -> tuple[Tensor, list[KeysValues]]:
        """The first `depth` blocks on tokens [bt s d]; also the dense blocks' keys and values."""
        b, t = condition.shape[:2]
        x = x.unflatten(0, (b, t))
        modulation = self.modulation(condition).unflatten(-1, (1, 6, -1))
        turn, clip = self.space, None
        if past is None:
            turn = (self.space + time_angles(torch.arange(t), self.config.head)[:, None]).flatten(
                0, 1
            )
            window = self.config.window
            clip = Clip(t, window, past_mask(t, self.config.tokens, window))
        kept = []
        for block in self.blocks[:depth]:
            own = past[len(kept)] if past is not None and block.dense else None
            x, memory = block(x, modulation, turn if block.dense else self.space, own, clip)
            if block.dense:
                kept.append(memory)
        return x, kept

    def residual(self, x: Tensor, local: Tensor, condition: Tensor) -> Tensor:
        """Tokens [b t s d] and stem features -> what the linear estimate left over [b t n c]."""
        b = len(x)
        h, w = self.config.grid[0] // PATCH, self.config.grid[1] // PATCH
        out = self.unpatch(norm(x))
        out = rearrange(
            out, "b t (h w) (f p q) -> (b t) f (h p) (w q)", h=h, w=w, p=PATCH, q=PATCH
        ).contiguous(memory_format=torch.channels_last)
        out = out + local
        for block in self.head:
            out = block(out, condition.flatten(0, 1))
        return rearrange(self.head_out(F.relu(out)), "(b t) c h w -> b t (h w) c", b=b)

    def recall(self, cache: FrameCache) -> list[Past]:
        """What the dense blocks see of the past."""
        return recalled(cache, self.turns, self.slots)

    def empty_cache(self, batch: int = 1) -> FrameCache:
        """A cache of this network's sizes that remembers nothing."""
        config = self.config
        return FrameCache.empty(
            layers=len(config.dense),
            batch=batch,
            heads=config.heads,
            window=config.window,
            tokens=config.tokens,
            head=config.head,
            latent=(config.grid[0] * config.grid[1], config.latent_channels),
            controls=config.controls,
            history=max(1, config.history),
            device=self.space.device,
        )


def _shifted(x: Tensor) -> Tensor:
    """Each frame's predecessor along axis 1; the first one's is zero."""
    return torch.cat([torch.zeros_like(x[:, :1]), x[:, :-1]], dim=1)

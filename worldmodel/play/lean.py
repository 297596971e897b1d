"""The world network once more, for one frame at a time: the same function in fewer operations.

What depends only on the noise levels and the keys is computed once and kept, norms' weights are
folded into the rotations, the past lies in buffers that have room for the own frame, and matrices
and convolutions may run in bfloat16 (attention and sums stay in float32).
Shapes: b players, n tokens of a frame, d width, k heads, e head size, w ring slots, l layers that
attend over time, f features of the stem, h w latent grid, p q the sides of a patch.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from worldmodel.model.cache import FrameCache
from worldmodel.model.estimate import linear_estimate
from worldmodel.model.layers import ConditionedWarp
from worldmodel.model.rotary import time_angles
from worldmodel.model.transformer import PATCH, WorldTransformer
from worldmodel.play.lean_layers import LeanBlock, LeanConvBlock, Recalled, unit
from worldmodel.play.packed import Conv, Linear, fold, spread

KEPT = 64  # combinations of noise levels and keys whose modulations are kept


@dataclass(frozen=True)
class Condition:
    """All that follows from noise levels, jump and keys alone."""

    blocks: list[list[Tensor]]  # six of [b 1 d] a block: shift, scale, gate, twice
    films: list[tuple[Tensor, Tensor]]  # shift, scale [b f 1 1] of each convolutional block
    kernel: Tensor  # [b groups 1 taps n] of the warp


class LeanWorld:
    """Has `predict`, `memorise` and `recall` of the network whose weights it copies."""

    def __init__(self, network: WorldTransformer, dtype: torch.dtype) -> None:
        self.network, self.config, self.dtype = network, network.config, dtype
        grid = self.config.grid
        self.stem_in = Conv(network.stem_in, dtype, grid)
        self.stem = [LeanConvBlock(block, dtype, grid) for block in network.stem]
        self.warp_value = Conv(network.warp.value, dtype, grid)
        self.patch = Linear(network.patch, dtype, weight=fold(network.patch.weight, PATCH, dim=1))
        self.blocks = [LeanBlock(block, network.space, dtype) for block in network.blocks]
        rows = {name: fold(getattr(network.unpatch, name), PATCH) for name in ("weight", "bias")}
        self.unpatch = Linear(network.unpatch, dtype, **rows)
        self.head = [LeanConvBlock(block, dtype, grid) for block in network.head]
        self.head_out = Conv(network.head_out, dtype, grid)
        self.trust = Conv(network.trust, dtype, grid) if self.config.history else None
        self.logit = network.rho.clamp(0.02, 0.98).logit()
        ages = torch.arange(self.config.window + 1, device=network.space.device)
        turn = network.space + time_angles(-ages, self.config.head)[:, None]
        self.cos, self.sin = turn.cos(), turn.sin()  # [w + 1, n, e / 2]
        self.warp_features = network.warp.features
        self._conditions: dict[bytes, Condition] = {}
        self._seen: tuple = None, None  # the last frame before that was looked at, and its places

    def predict(
        self,
        latents: Tensor,
        tau: Tensor,
        jump: Tensor,
        controls: Tensor,
        before: tuple[Tensor, Tensor, Tensor],
        past: list[Recalled],
    ) -> Tensor:
        """Clean latents [b 1 n c] for noisy ones; the arguments of WorldTransformer.predict."""
        condition = self.condition(tau, jump, controls, before[1], before[2])
        noisy, previous = latents[:, 0], before[0][:, 0]
        local = self.local_features(noisy, previous, condition)
        x, _ = self.trunk(self.tokens(local), condition, past, self.config.depth, keep=False)
        left_over = self.residual(x, local, condition)
        rho = self.correlation(local)
        mean, deviation = linear_estimate(noisy, tau[:, 0], previous, before[1][:, 0], rho)
        return torch.addcmul(mean, deviation, left_over)[:, None]

    def memorise(
        self,
        latent: Tensor,
        tau: Tensor,
        controls: Tensor,
        before: tuple[Tensor, Tensor, Tensor],
        past: list[Recalled],
    ) -> tuple[Tensor, Tensor]:
        """Keys and values [l b k n e] that are kept of a frame; as WorldTransformer.memorise."""
        levels = tau[:, None], torch.zeros_like(tau)[:, None], controls[:, None]
        condition = self.condition(*levels, before[1], before[2])
        local = self.local_features(latent, before[0][:, 0], condition)
        depth = max(self.config.dense) + 1
        _, kept = self.trunk(self.tokens(local), condition, past, depth, keep=True)
        keys, values = zip(*kept, strict=True)
        return torch.stack(keys), torch.stack(values)

    def recall(self, cache: FrameCache) -> list[Recalled]:
        """Turn the cached keys by their age into buffers that the looks of one frame share."""
        if cache.recalled is None:
            ages, memory = cache.ages(), cache.memory  # [b w]
            keys, values = (_roomy(ring) for ring in (memory.keys, memory.values))
            cos, sin = self.cos[ages][:, None], self.sin[ages][:, None]  # [b 1 w n e/2]
            (a, b), slots = memory.keys.chunk(2, dim=-1), slice(0, cache.window)
            turned_a, turned_b = keys[:, :, :, slots].chunk(2, dim=-1)
            torch.mul(a, cos, out=turned_a).addcmul_(b, sin, value=-1)
            torch.mul(b, cos, out=turned_b).addcmul_(a, sin)
            values[:, :, :, slots] = memory.values
            mask = None if bool((ages > 0).all()) else self._mask(ages)
            cache.recalled = [
                Recalled(k.flatten(2, 3), v.flatten(2, 3), mask)
                for k, v in zip(keys, values, strict=True)
            ]
        return cache.recalled

    def _mask(self, ages: Tensor) -> Tensor:
        own = torch.ones_like(ages[:, :1])
        seen = torch.cat([ages, own], dim=1) > 0
        seen = seen.repeat_interleave(self.config.tokens, dim=1)[:, None, None]
        return seen.to(self.cos.device)

    def condition(
        self, tau: Tensor, jump: Tensor, controls: Tensor, tau_before: Tensor, earlier: Tensor
    ) -> Condition:
        """The modulations for levels [b 1] and controls [b 1 m]; computed when they are new."""
        given = [tau, jump, tau_before, controls.flatten(1), earlier.flatten(1)]
        key = torch.cat(given, dim=1).cpu().numpy().tobytes()
        found = self._conditions.pop(key, None)
        if found is None:
            found = self._condition(tau, jump, controls, tau_before, earlier)
        self._conditions[key] = found  # the newest is last, the first has not been used longest
        if len(self._conditions) > KEPT:
            del self._conditions[next(iter(self._conditions))]
        return found

    def _condition(
        self, tau: Tensor, jump: Tensor, controls: Tensor, tau_before: Tensor, earlier: Tensor
    ) -> Condition:
        network = self.network
        vector = network.condition(tau, jump, controls, tau_before, earlier)  # [b 1 d]
        shared = network.modulation(vector).unflatten(-1, (6, -1))  # [b 1 6 d]
        return Condition(
            [block.modulation(shared) for block in self.blocks],
            [block.film(vector[:, 0]) for block in (*self.stem, *self.head)],
            warp_kernel(network.warp, vector[:, 0]),
        )

    def correlation(self, local: Tensor) -> Tensor:
        """Of the frame before with this one: [c], or a map [b n c]; as in the network."""
        if self.trust is None:
            return self.network.rho
        return torch.sigmoid(self.logit + self.trust(local).permute(0, 2, 3, 1).flatten(1, 2))

    def local_features(self, noisy: Tensor, previous: Tensor, condition: Condition) -> Tensor:
        """The stem: latents [b n c] and those of the frame before -> features [b f h w]."""
        before, places = self._places(previous)
        warped = (
            (condition.kernel * places).sum(dim=3).flatten(1, 2).unflatten(-1, self.config.grid)
        )
        noisy, warped = self._grid(noisy).to(self.dtype), warped.to(self.dtype)
        x = self.stem_in(torch.cat([noisy, before, warped], dim=1))
        for block, film in zip(self.stem, condition.films[: len(self.stem)], strict=True):
            x = block(x, film)
        return x

    def _places(self, previous: Tensor) -> tuple[Tensor, Tensor]:
        """The frame before [b c h w], and what the warp's kernels see of it [b groups each taps n].

        Kept from one look to the next; as the tensor is kept too, nothing else can lie there.
        """
        kept, found = self._seen
        if kept is None or kept.data_ptr() != previous.data_ptr() or kept.shape != previous.shape:
            warp, before = self.network.warp, self._grid(previous).to(self.dtype)
            pad = warp.taps[0] // 2, warp.taps[1] // 2
            places = F.unfold(self.warp_value(before), warp.taps, padding=pad)
            each = self.warp_features // warp.groups
            found = before, places.unflatten(1, (warp.groups, each, -1))
            self._seen = previous, found
        return found

    def tokens(self, local: Tensor) -> Tensor:
        """Stem features [b f h w] -> tokens float32 [b n d]."""
        b, f, h, w = local.shape
        cells = local.permute(0, 2, 3, 1).reshape(b, h // PATCH, PATCH, w // PATCH, PATCH, f)
        cells = cells.permute(0, 1, 3, 2, 4, 5).reshape(b, -1, PATCH * PATCH * f)
        return self.patch(cells).float()

    def trunk(
        self, x: Tensor, condition: Condition, past: list[Recalled], depth: int, *, keep: bool
    ) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        """The first `depth` blocks on tokens [b n d]; with `keep` also what shall be remembered."""
        kept, dense = [], iter(past)
        for block, modulation in zip(self.blocks[:depth], condition.blocks[:depth], strict=True):
            x, qk, value = block(x, modulation, next(dense) if block.dense else None)
            if keep and block.dense:
                kept.append(block.remembered(qk, value))
        return x, kept

    def residual(self, x: Tensor, local: Tensor, condition: Condition) -> Tensor:
        """Tokens [b n d] and stem features -> what the linear estimate left over [b n c]."""
        h, w = self.config.grid
        out = self.unpatch((unit(x) * x.shape[-1] ** 0.5).to(self.dtype))
        out = spread(out.unflatten(1, (h // PATCH, w // PATCH)), PATCH) + local
        for block, film in zip(self.head, condition.films[len(self.stem) :], strict=True):
            out = block(out, film)
        return self.head_out(F.relu(out)).permute(0, 2, 3, 1).flatten(1, 2).float()

    def _grid(self, latents: Tensor) -> Tensor:
        """[b n c] -> [b c h w], in channels_last without a copy."""
        return latents.unflatten(1, self.config.grid).permute(0, 3, 1, 2)


def warp_kernel(warp: ConditionedWarp, vector: Tensor) -> Tensor:
    """Kernels [b groups 1 taps n] of the warp under a condition [b d]."""
    kernel = torch.tanh(warp.code(vector)) @ warp.maps.flatten(1)
    kernel = kernel.view(len(vector), -1, *warp.coarse) + warp.identity[:, None, None]
    kernel = kernel.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    return kernel.view(len(vector), warp.groups, 1, warp.taps[0] * warp.taps[1], -1)


def _roomy(ring: Tensor) -> Tensor:
    """An empty [l b k w+1 n e] for a ring [l b k w n e] and one frame more."""
    *before, w, n, e = ring.shape
    return ring.new_empty(*before, w + 1, n, e)

"""Rectified flow with diffusion forcing: every frame of a clip has its own noise level.

Shapes: b clips, t frames of a clip, n latents of a frame, c channels, m controls.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from worldmodel.data.clips import ClipSampler, gather
from worldmodel.diffusion.path import noised
from worldmodel.diffusion.rollout import next_frame, prefill, rollout
from worldmodel.diffusion.schedules import (
    context_levels,
    draw_levels,
    even_times,
    level_weight,
)
from worldmodel.errors import UserError
from worldmodel.model.carrier import Carrier
from worldmodel.model.tokenizer import Tokenizer
from worldmodel.model.transformer import WorldTransformer
from worldmodel.train.config import TrainConfig
from worldmodel.train.latents import LatentClips
from worldmodel.train.metrics import psnr
from worldmodel.train.objectives.own_past import own_past
from worldmodel.train.pictures import save_sheet
from worldmodel.train.sensitivity import channel_weights

JUDGED = 48  # held-out clips in the figures
DRAWN = 6  # held-out clips in the pictures
HORIZON = 16  # frames dreamed in the pictures


@dataclass(frozen=True, kw_only=True)
class FlowConfig:
    """What the objective draws."""

    clip: int = 16  # frames
    moving: float = 0.5  # share of the clips drawn in proportion to their motion
    dropout: float = 0.1  # share of the frames whose controls are shown as unknown
    steps: int = 2  # of the sampler, in held-out figures, pictures and own pasts
    warm_start: float = 0.7  # level at which known places begin, there and in play
    own: float = 0.5  # share of the clips whose past is dreamed, once that has begun
    own_last: float = 0.3  # share of the run, at its end, in which pasts are dreamed
    floor: float = 1.0  # weight of the loss at pure noise; 1 at clean data


class RectifiedFlow:
    """Clips of cached latents; the network predicts clean latents, the loss is in that space.

    Channels are weighted by how much they change the decoded picture.
    """

    blank = False  # whether zeros stand in the place of noise where pasts are dreamed

    def __init__(
        self, train_set: LatentClips, heldout: LatentClips, tokenizer: Tokenizer,
        config: TrainConfig, flow: FlowConfig, carrier: Carrier | None = None,
    ) -> None:  # fmt: skip
        self.flow, self.seed, self.steps, self.tokenizer = (
            flow,
            config.seed,
            config.steps,
            tokenizer,
        )
        self.train_set, self.count, self.carrier = train_set, config.batch, carrier
        self.first_part, self.update_of = config.first_part, config.update_of
        self.sampler = ClipSampler(
            train_set.store.episodes, train_set.store.motion,
            length=flow.clip, seed=config.seed, moving=flow.moving,
        )  # fmt: skip
        self.frames_per_step = config.batch * flow.clip
        some = train_set.latents[np.linspace(0, len(train_set.latents) - 1, 32, dtype=int)]
        self.weights = channel_weights(tokenizer, torch.as_tensor(some).float())
        judged = ClipSampler(
            heldout.store.episodes, heldout.store.motion, length=2 * HORIZON, seed=1, moving=1.0
        ).draw(0, JUDGED)
        self.heldout = heldout.draw(judged, 2 * HORIZON)
        self.truth = torch.as_tensor(gather(heldout.store.frames, judged, 2 * HORIZON))

    def batch(self, step: int) -> tuple[Tensor, ...]:
        """Latents float32 [b t n c], controls [b t m] and, with motion, carried [b t n c]."""
        return self.train_set.draw(self.sampler.draw(step, self.count), self.flow.clip)

    def known(self, step: int) -> Tensor | None:
        """The share [b t n] of each place of `batch` that is known; None if motion alone tells."""
        return self.train_set.known(self.sampler.draw(step, self.count), self.flow.clip)

    def loss(
        self, network: WorldTransformer, batch: tuple[Tensor, ...], step: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        clean, controls, *carried = batch
        draw = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        hidden = torch.rand(*clean.shape[:2], 1, generator=draw) < self.flow.dropout
        tau, shown = draw_levels(*clean.shape[:2], draw), clean
        if self.dreams_pasts(step):
            shown, carried, tau = self.with_own_past(network, clean, controls, carried, tau, draw)
        controls = controls.masked_fill(hidden, torch.nan)
        by_frame = flow_loss(
            network, clean, controls, carried, tau, draw, shown=shown, weights=self.weights
        )
        pure = by_frame.detach()[tau == 0]
        loss = (level_weight(tau, self.flow.floor) * by_frame).mean()
        return loss, {"pure_noise": pure.mean() if len(pure) else pure.sum()}

    def dreams_pasts(self, step: int) -> bool:
        """Whether some clips of this step have a past of the world's own."""
        return self.flow.own > 0 and self.first_part(step) >= (1 - self.flow.own_last) * self.steps

    def with_own_past(
        self, network: WorldTransformer, clean: Tensor, controls: Tensor, carried: list[Tensor],
        tau: Tensor, draw: torch.Generator,
    ) -> tuple[Tensor, list[Tensor], Tensor]:  # fmt: skip
        """Shown latents, carried ones and levels, of which the first clips have a dreamed past."""
        count = max(1, round(self.flow.own * len(clean)))
        own, anew, dreamed = own_past(
            network, self.carrier, clean[:count], controls[:count], [x[:count] for x in carried],
            self.flow.steps, self.flow.warm_start, draw, blank=self.blank,
        )  # fmt: skip
        shown = torch.cat([own, clean[count:]])
        carried = [torch.cat([a, x[count:]]) for a, x in zip(anew, carried, strict=True)]
        levels = torch.where(dreamed, context_levels(tau[:count].shape, draw), tau[:count])
        return shown, carried, torch.cat([levels, tau[count:]])

    @torch.no_grad()
    def validate(self, network: WorldTransformer) -> dict[str, float]:
        """PSNR of the next frame over repeating the last, and the loss ratio of shuffled keys."""
        clean, controls = self.heldout[:2]
        at = HORIZON
        cache = network.empty_cache(JUDGED)
        prefill(network, cache, clean[:, :at], controls[:, :at], self.carrier)
        noise = torch.randn(clean[:, 0].shape, generator=torch.Generator().manual_seed(2))
        start = self.carrier and self.carrier.carry(cache, controls[:, at])
        frame = next_frame(
            network, cache, controls[:, at], noise,
            times=even_times(self.flow.steps), carried=start, warm_start=self.flow.warm_start,
        )  # fmt: skip
        dreamed = psnr(self.tokenizer.decode(frame), self.truth[:, at]).mean()
        repeated = psnr(self.truth[:, at - 1], self.truth[:, at]).mean()
        ceiling = psnr(self.tokenizer.decode(clean[:, at]), self.truth[:, at]).mean()
        figures = {
            "next_psnr": float(dreamed),
            "over_repeat": float(dreamed - repeated),
            "ceiling": float(ceiling - repeated),
        }
        if start is not None:
            alone = psnr(self.tokenizer.decode(start[0][:, 0]), self.truth[:, at]).mean()
            figures["motion_alone"] = float(alone - repeated)
        return figures | self._obedience(network)

    def _obedience(self, network: WorldTransformer) -> dict[str, float]:
        clean, controls = (part[: JUDGED // 2, : self.flow.clip] for part in self.heldout[:2])
        true, shuffled = (
            float(obeyed_loss(network, self.carrier, clean, keys).mean())
            for keys in (controls, controls.roll(1, 0))
        )
        return {"loss": true, "shuffled_ratio": shuffled / true}

    @torch.no_grad()
    def draw(self, network: WorldTransformer, path: Path) -> None:
        """Truth above, dream on the same keys below, from the end of a real context."""
        clean, controls = (x[:DRAWN] for x in self.heldout[:2])
        cache = network.empty_cache(DRAWN)
        prefill(network, cache, clean[:, :HORIZON], controls[:, :HORIZON], self.carrier)
        noise = torch.randn(clean[:, HORIZON:].shape, generator=torch.Generator().manual_seed(4))
        dream = rollout(
            network, cache, controls[:, HORIZON:], noise, carrier=self.carrier,
            times=even_times(self.flow.steps), clamp=self.tokenizer.clamp,
            warm_start=self.flow.warm_start,
        )  # fmt: skip
        frames = self.tokenizer.decode(rearrange(dream, "b t n c -> (b t) n c"))
        frames = rearrange(frames, "(b t) h w c -> b t h w c", b=DRAWN)
        rows = [
            row for pair in zip(self.truth[:DRAWN, HORIZON:], frames, strict=True) for row in pair
        ]
        save_sheet([row.numpy() for row in rows], path)


def flow_loss(
    network: WorldTransformer, clean: Tensor, controls: Tensor, carried: list[Tensor],
    tau: Tensor, draw: torch.Generator, *, shown: Tensor | None = None,
    weights: Tensor | float = 1.0,
) -> Tensor:  # fmt: skip
    """Squared error of the predicted clean latents by frame [b t], at noise levels tau [b t].

    `carried` holds one tensor [b t n c] or none; it is shown at a nearly clean level, and not at
    all where a row is zero (an episode's first frame). `shown` are the latents that are noised,
    the clean ones unless given.
    """
    shown = clean if shown is None else shown
    noisy = noised(shown, torch.randn(clean.shape, generator=draw), tau)
    start = [shown_carried(moved, draw) for moved in carried]
    guess = network(noisy, tau, torch.zeros_like(tau), controls, None, *start)
    return ((guess - clean).square() * weights).mean(dim=(-2, -1))


def obeyed_loss(
    network: WorldTransformer, carrier: Carrier | None, clean: Tensor, controls: Tensor
) -> Tensor:
    """Loss [b t] of clips under any controls, at fixed noise; motion is told the same controls."""
    carried = [carrier.carry_clip(clean, controls)] if carrier else []
    draw = torch.Generator().manual_seed(3)
    return flow_loss(network, clean, controls, carried, draw_levels(*clean.shape[:2], draw), draw)


def shown_carried(moved: Tensor, draw: torch.Generator) -> tuple[Tensor, Tensor]:
    """Carried latents [b t n c] with a little noise, and their levels [b t]."""
    level = context_levels(moved.shape[:2], draw)
    level = torch.where(moved.abs().amax(dim=(-2, -1)) > 0, level, 0.0)
    return noised(moved, torch.randn(moved.shape, generator=draw), level), level


def frame_correlation(clips: LatentClips, count: int = 4096) -> Tensor:
    """Correlation [c] of a latent with what its frame starts from, where there is motion."""
    moving = np.flatnonzero(clips.store.motion[1:] > 0) + 1
    if len(moving) == 0:
        raise UserError(f"nothing moves in {clips.store.folder}; collect episodes of real play")
    at = np.sort(moving[np.linspace(0, len(moving) - 1, min(count, len(moving)), dtype=int)])
    starts = clips.latents[at - 1] if clips.carried is None else clips.carried[at]
    starts = starts[..., : clips.latents.shape[-1]]
    before = torch.as_tensor(starts).float().flatten(0, 1)
    after = torch.as_tensor(clips.latents[at]).float().flatten(0, 1)
    product = (before * after).mean(dim=0)
    return product / (before.square().mean(0) * after.square().mean(0)).sqrt()

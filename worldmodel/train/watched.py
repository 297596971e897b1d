"""Figures and a film by which a world in training is watched, beside its objective's own.

Shapes: b clips, t frames, n latents of a frame, c channels.
"""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import torch
from einops import rearrange
from torch import Tensor

from worldmodel.data.clips import ClipSampler, gather
from worldmodel.diffusion.path import velocity
from worldmodel.diffusion.rollout import next_frame, prefill, rollout
from worldmodel.diffusion.samplers import Denoise, sample_euler
from worldmodel.diffusion.schedules import context_levels, even_times
from worldmodel.model.carrier import Carrier
from worldmodel.model.tokenizer import Tokenizer
from worldmodel.model.transformer import WorldTransformer
from worldmodel.train.latents import LatentClips
from worldmodel.train.metrics import psnr
from worldmodel.train.objectives.rectified_flow import FlowConfig, flow_loss
from worldmodel.train.pictures import save_film

CLIPS, FILMED = 8, 3
PAST, FUTURE = 16, 16  # frames
LEVELS = 0.0, 0.25, 0.5, 0.75, 0.9
MANY = 16  # steps whose result counts as the flow's own


class WorldWatch:
    """Judges the averaged weights of a world on held-out clips, always the same ones."""

    def __init__(
        self, heldout: LatentClips, tokenizer: Tokenizer, flow: FlowConfig,
        carrier: Carrier | None = None,
    ) -> None:  # fmt: skip
        self.tokenizer, self.flow, self.carrier = tokenizer, flow, carrier
        store, length = heldout.store, PAST + FUTURE
        starts = ClipSampler(store.episodes, store.motion, length=length, seed=5, moving=1.0)
        rows = starts.draw(0, CLIPS)
        self.clean, self.controls = heldout.draw(rows, length)[:2]
        self.truth = torch.as_tensor(gather(store.frames, rows, length))
        self.fps = store.fps

    @torch.no_grad()
    def __call__(self, network: WorldTransformer, film: Path) -> dict[str, float]:
        """Figures by name; writes a film of truth and dream to `film`, a GIF."""
        self._film(network, film)
        return self.losses(network) | self.steps(network)

    def losses(self, network: WorldTransformer) -> dict[str, float]:
        """Loss of frames at each of LEVELS whose past is nearly clean."""
        clean, controls = self.clean[:, : self.flow.clip], self.controls[:, : self.flow.clip]
        carried = [self.carrier.carry_clip(clean, controls)] if self.carrier else []
        judged = torch.arange(clean.shape[1]) % 2 == 1
        found = {}
        for level in LEVELS:
            draw = torch.Generator().manual_seed(6)
            tau = context_levels(clean.shape[:2], draw)
            tau = torch.where(judged, level, tau)
            loss = flow_loss(network, clean, controls, carried, tau, draw)[:, judged]
            found[f"loss_at_{level:g}"] = float(loss.mean())
        return found

    def steps(self, network: WorldTransformer) -> dict[str, float]:
        """PSNR that MANY steps a frame gain over the few of play, and how bent the path is."""
        cache = self._past(network, CLIPS)
        few, many = (
            self._next(network, cache, even_times(steps), self.flow.warm_start)
            for steps in (self.flow.steps, MANY)
        )
        after = self.truth[:, PAST]
        better = [psnr(self.tokenizer.decode(frame), after).mean() for frame in (few, many)]
        path = _Path()
        self._next(network, cache, even_times(MANY), 0.0, path)
        return {"gap_of_steps": float(better[1] - better[0]), "bend_of_path": path.bend}

    def _next(
        self, network: WorldTransformer, cache: object, times: tuple[float, ...], warm: float,
        sampler: Callable[..., Tensor] = sample_euler,
    ) -> Tensor:  # fmt: skip
        """The frame after the clips' real past, [b n c]."""
        keys = self.controls[:, PAST]
        noise = torch.randn(self.clean[:, 0].shape, generator=torch.Generator().manual_seed(7))
        start = self.carrier and self.carrier.carry(cache, keys)
        return next_frame(
            network, cache, keys, noise, times=times, clamp=self.tokenizer.clamp,
            carried=start, warm_start=warm, sampler=sampler,
        )  # fmt: skip

    def _past(self, network: WorldTransformer, clips: int) -> object:
        cache = network.empty_cache(clips)
        past = self.clean[:clips, :PAST], self.controls[:clips, :PAST]
        prefill(network, cache, *past, self.carrier)
        return cache

    def _film(self, network: WorldTransformer, path: Path) -> None:
        """Truth in the upper row, the dream on the same keys in the lower one."""
        truth = self.clean[:FILMED, PAST:]
        draw = torch.Generator().manual_seed(8)
        dream = rollout(
            network, self._past(network, FILMED), self.controls[:FILMED, PAST:],
            torch.randn(truth.shape, generator=draw), carrier=self.carrier,
            times=even_times(self.flow.steps), clamp=self.tokenizer.clamp,
            warm_start=self.flow.warm_start,
        )  # fmt: skip
        shown = self.tokenizer.decode(rearrange(dream, "b t n c -> (b t) n c"))
        shown = rearrange(shown, "(b t) h w c -> b t h w c", b=FILMED)
        both = torch.stack([self.truth[:FILMED, PAST:], shown])  # [2 b t h w 3]
        save_film(rearrange(both, "r b t h w c -> t (r h) (b w) c").numpy(), path, self.fps)


class _Path:
    """Euler's sampler that also says how bent its path was: 0 is straight.

    Mean squared distance of the velocity from the line between its ends, over the line's own
    square (cf. straightness in arXiv 2209.03003, section 2.2, which is not divided).
    """

    bend = 0.0

    def __call__(
        self, denoise: Denoise, noise: Tensor, times: tuple[float, ...], fresh: object
    ) -> Tensor:
        z, slopes = noise, []
        for tau, after in pairwise(times):
            slopes.append(velocity(denoise(z, tau, after - tau), z, tau))
            z = z + (after - tau) * slopes[-1]
        line = z - noise
        off = torch.stack([(slope - line).square().mean() for slope in slopes]).mean()
        self.bend = float(off / line.square().mean())
        return z

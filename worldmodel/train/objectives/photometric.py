"""Motion by photometry: the last picture, moved along the flow, should look like the next one."""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from worldmodel.data.clips import ClipSampler, FrameStore, gather
from worldmodel.model.motion import Motion, moved
from worldmodel.model.tokenizer import to_float, to_uint8
from worldmodel.train.config import TrainConfig
from worldmodel.train.metrics import psnr
from worldmodel.train.pictures import save_sheet

SCALES = (1, 4, 8)  # pixels averaged: coarse ones reach further than a texture's period
JUDGED = 256
NOISE = 0.1  # on the latent, in deviations: play shows dreamed latents, not encoded ones


class Photometric:
    """Pairs of frames with the keys that led from one to the other."""

    def __init__(
        self, store: FrameStore, latents: np.ndarray, heldout: FrameStore,
        heldout_latents: np.ndarray, config: TrainConfig, history: int,
    ) -> None:  # fmt: skip
        self.store, self.latents, self.history = store, latents, history
        self.seed, self.frames_per_step = config.seed, config.batch
        self.sampler = ClipSampler(
            store.episodes, store.motion, length=history + 1, seed=config.seed, moving=0.5
        )
        starts = ClipSampler(
            heldout.episodes, heldout.motion, length=history + 1, seed=1, moving=1.0
        ).draw(0, JUDGED)
        self.heldout = self._pairs(heldout, heldout_latents, starts)

    def batch(self, step: int) -> tuple[Tensor, ...]:
        """Pictures before and after [b 3 H W], latent before [b n c], controls [b r m]."""
        starts = np.sort(self.sampler.draw(step, self.frames_per_step))
        return self._pairs(self.store, self.latents, starts)

    def _pairs(
        self, store: FrameStore, latents: np.ndarray, starts: np.ndarray
    ) -> tuple[Tensor, ...]:
        after = starts + self.history
        keys = gather(store.controls, starts + 1, self.history)[:, ::-1].copy()
        return (
            to_float(torch.from_numpy(store.frames[after - 1])),
            to_float(torch.from_numpy(store.frames[after])),
            torch.from_numpy(latents[after - 1]).float(),
            torch.from_numpy(keys).float(),
        )

    def loss(
        self, network: Motion, batch: tuple[Tensor, ...], step: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        before, after, latent, keys = batch
        draw = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        latent = latent + NOISE * torch.randn(latent.shape, generator=draw)
        error = moved(before, network(latent, keys)) - after
        loss = sum(F.avg_pool2d(error, scale).abs().mean() for scale in SCALES)
        return loss, {"l1": error.detach().abs().mean()}

    @torch.no_grad()
    def validate(self, network: Motion) -> dict[str, float]:
        before, after, latent, keys = self.heldout
        truth = to_uint8(after)
        repeated = psnr(to_uint8(before), truth).mean()
        guess = psnr(to_uint8(moved(before, network(latent, keys))), truth).mean()
        return {"psnr": float(guess), "over_repeat": float(guess - repeated)}

    @torch.no_grad()
    def draw(self, network: Motion, path: Path) -> None:
        """Last picture, next picture, last picture moved."""
        before, after, latent, keys = (part[:10] for part in self.heldout)
        rows = before, after, moved(before, network(latent, keys))
        save_sheet([to_uint8(row).numpy() for row in rows], path)

"""Motion by photometry: the last picture, moved along the flow, should look like the next one."""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from worldmodel.data.clips import ClipSampler, FrameStore, gather, known
from worldmodel.model.motion import Motion, moved
from worldmodel.model.tokenizer import to_float, to_uint8
from worldmodel.train.config import TrainConfig
from worldmodel.train.pictures import save_sheet

SCALES = (1, 4, 8)  # pixels averaged: coarse ones reach further than a texture's period
JUDGED = 256
NOISE = 0.1  # on the latents, in deviations: play shows dreamed latents, not encoded ones
BENT = 1.0  # weight of the flow's second differences: where nothing is to be matched it is smooth


class Photometric:
    """Pairs of frames with the keys that led from one to the other, which must be known.

    Of the keys before, those that are unknown (NaN) count as not held.
    """

    def __init__(
        self, store: FrameStore, latents: np.ndarray, heldout: FrameStore,
        heldout_latents: np.ndarray, config: TrainConfig, history: int,
    ) -> None:  # fmt: skip
        self.store, self.latents, self.history = store, latents, history
        self.seed, self.frames_per_step = config.seed, config.batch
        self.clip = max(history, 2) + 1  # two frames to see, one to foresee
        self.sampler = ClipSampler(
            store.episodes, store.motion, length=self.clip, seed=config.seed, moving=0.5,
            usable=known(store), needed=1,
        )  # fmt: skip
        starts = ClipSampler(
            heldout.episodes, heldout.motion, length=self.clip, seed=1, moving=1.0,
            usable=known(heldout), needed=1,
        ).draw(0, JUDGED)  # fmt: skip
        self.heldout = self._pairs(heldout, heldout_latents, starts)

    def batch(self, step: int) -> tuple[Tensor, ...]:
        """Pictures before and after [b 3 H W], latents before and earlier [b n c], keys [b r m]."""
        starts = np.sort(self.sampler.draw(step, self.frames_per_step))
        return self._pairs(self.store, self.latents, starts)

    def _pairs(
        self, store: FrameStore, latents: np.ndarray, starts: np.ndarray
    ) -> tuple[Tensor, ...]:
        after = starts + self.clip - 1
        keys = gather(store.controls, after - self.history + 1, self.history)[:, ::-1].copy()
        return (
            to_float(torch.from_numpy(store.frames[after - 1])),
            to_float(torch.from_numpy(store.frames[after])),
            torch.from_numpy(latents[after - 1]).float(),
            torch.from_numpy(latents[after - 2]).float(),
            torch.from_numpy(keys).float(),
        )

    def loss(
        self, network: Motion, batch: tuple[Tensor, ...], step: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        before, after, *latents, keys = batch
        draw = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        latents = [x + NOISE * torch.randn(x.shape, generator=draw) for x in latents]
        flow = network(*latents, keys)
        error = moved(before, flow) - after
        match = sum(F.avg_pool2d(error, scale).abs().mean() for scale in SCALES)
        bent = sum(flow.diff(n=2, dim=dim).abs().mean() for dim in (-2, -1))
        return match + BENT * bent, {"l1": error.detach().abs().mean(), "bent": bent.detach()}

    @torch.no_grad()
    def validate(self, network: Motion) -> dict[str, float]:
        """PSNR of the moved picture, also over repeating, and what of it another pair's keys lose.

        All of the mean square error of all pairs; the last as in Genie (arXiv 2402.15391).
        """
        before, after, *latents, keys = self.heldout
        guess, misled = (
            mean_psnr(moved(before, network(*latents, told)), after)
            for told in (keys, keys.roll(1, 0))
        )
        repeated = mean_psnr(before, after)
        return {"psnr": guess, "over_repeat": guess - repeated, "psnr_lost": guess - misled}

    @torch.no_grad()
    def draw(self, network: Motion, path: Path) -> None:
        """Last picture, next picture, last picture moved."""
        before, after, *latents, keys = (part[:10] for part in self.heldout)
        rows = before, after, moved(before, network(*latents, keys))
        save_sheet([to_uint8(row).numpy() for row in rows], path)


def mean_psnr(a: Tensor, b: Tensor) -> float:
    """PSNR in dB of the mean square error over all pictures [b 3 H W] in 0..1.

    Not the mean of their PSNRs: pairs in which nothing moved would outweigh all others.
    """
    return float(-10 * torch.log10(F.mse_loss(a, b)))

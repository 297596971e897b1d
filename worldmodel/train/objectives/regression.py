"""Deterministic regression: the world's network without noise, the yardstick of a generative one.

It sees zeros in the place of the frame to come and answers with the mean of what might come, which
squared error rewards. Shapes as in `rectified_flow`.
"""

from pathlib import Path

import torch
from einops import rearrange
from torch import Tensor

from worldmodel.diffusion.path import noised
from worldmodel.diffusion.rollout import next_frame, prefill, rollout
from worldmodel.diffusion.schedules import draw_levels
from worldmodel.model.transformer import WorldTransformer
from worldmodel.train.metrics import psnr
from worldmodel.train.objectives.rectified_flow import (
    DRAWN,
    HORIZON,
    JUDGED,
    RectifiedFlow,
    shown_carried,
)
from worldmodel.train.pictures import save_sheet

CONTEXT = 0.9  # least level of a frame that counts as seen
ONE_LOOK = (0.0, 1.0)


class Regression(RectifiedFlow):
    """The same clips, pasts and carried latents as the world's; squared error at level 0 alone."""

    blank = True

    def loss(
        self, network: WorldTransformer, batch: tuple[Tensor, ...], step: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        clean, controls, *carried = batch
        draw = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        tau, shown = draw_levels(*clean.shape[:2], draw), clean
        if self.dreams_pasts(step):
            shown, carried, tau = self.with_own_past(network, clean, controls, carried, tau, draw)
        tau = torch.where(tau < CONTEXT, 0.0, tau)
        guess = answer(network, shown, controls, carried, tau, draw)
        error = ((guess - clean).square() * self.weights).mean(dim=(-2, -1))
        loss = error[tau == 0].mean()
        return loss, {"asked": (tau == 0).float().mean()}

    @torch.no_grad()
    def validate(self, network: WorldTransformer) -> dict[str, float]:
        """PSNR of the next frame, and over repeating the last."""
        clean, controls = self.heldout[:2]
        cache = network.empty_cache(JUDGED)
        prefill(network, cache, clean[:, :HORIZON], controls[:, :HORIZON], self.carrier)
        keys = controls[:, HORIZON]
        start = self.carrier and self.carrier.carry(cache, keys)
        blank = torch.zeros_like(clean[:, 0])
        frame = next_frame(network, cache, keys, blank, times=ONE_LOOK, carried=start)
        truth = self.truth[:, HORIZON]
        found = psnr(self.tokenizer.decode(frame), truth).mean()
        repeated = psnr(self.truth[:, HORIZON - 1], truth).mean()
        return {"next_psnr": float(found), "over_repeat": float(found - repeated)}

    @torch.no_grad()
    def draw(self, network: WorldTransformer, path: Path) -> None:
        """Truth above, the network's own rollout on the same keys below."""
        clean, controls = (x[:DRAWN] for x in self.heldout[:2])
        cache = network.empty_cache(DRAWN)
        prefill(network, cache, clean[:, :HORIZON], controls[:, :HORIZON], self.carrier)
        found = rollout(
            network, cache, controls[:, HORIZON:], torch.zeros_like(clean[:, HORIZON:]),
            carrier=self.carrier, times=ONE_LOOK, clamp=self.tokenizer.clamp,
        )  # fmt: skip
        frames = self.tokenizer.decode(rearrange(found, "b t n c -> (b t) n c"))
        frames = rearrange(frames, "(b t) h w c -> b t h w c", b=DRAWN)
        truth = self.truth[:DRAWN, HORIZON:]
        save_sheet([row.numpy() for both in zip(truth, frames, strict=True) for row in both], path)


def answer(
    network: WorldTransformer, shown: Tensor, controls: Tensor, carried: list[Tensor],
    tau: Tensor, draw: torch.Generator,
) -> Tensor:  # fmt: skip
    """What the network says [b t n c] of frames at level 0, of which it sees zeros; the others are
    `shown`, a little noised as their levels tau [b t] say."""
    noise = torch.randn(shown.shape, generator=draw) * (tau > 0)[..., None, None]
    start = [shown_carried(moved, draw) for moved in carried]
    seen = noised(shown, noise, tau)
    return network(seen, tau, torch.zeros_like(tau), controls, None, *start)

"""Scoring: the world learns to end its few looks in one of the frames that may follow.

A squared error is least at the mean of all that may follow, which is a blur; so a world of few
looks ends near it. The energy score (Gneiting and Raftery 2007, section 4.3) compares two dreams of
one moment with the truth and with each other:

    |a - y| / 2 + |b - y| / 2 - |a - b| / 2

Its mean is least when dreams are spread as the truth is, and it needs no critic. De Bortoli et al.
(arXiv 2502.02483) put it in the place of the squared error of a diffusion model so that few steps
suffice; here each look of play has it, on patches of latents of several sizes: what a patch holds
must fit together.
Shapes: b clips, t frames, n latents of a frame, c channels, h w latent grid.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from worldmodel.errors import UserError
from worldmodel.model.carrier import Carrier
from worldmodel.model.transformer import WorldTransformer
from worldmodel.train.objectives.played import played
from worldmodel.train.objectives.rectified_flow import RectifiedFlow

PATCHES = (1, 2, 4)  # latents to a side, those that fit into the grid
LEAST = 1e-4  # under the root, whose slope at nothing is infinite


@dataclass(frozen=True, kw_only=True)
class ScoringConfig:
    """What is scored how much."""

    keep: int = 2  # one update of so many keeps the flow, the others are scored
    known: float = 0.1  # weight in the first look of places that motion knows
    rounds: int = 1  # a past is dreamed in up to so many: errors grow over as many frames

    def __post_init__(self) -> None:
        if self.keep < 2 or not 0 <= self.known <= 1 or self.rounds < 1:
            raise UserError(
                "keep must be at least 2, known lie in 0 to 1 and rounds be at least 1, found "
                f"{self}"
            )


class Scoring:
    """Alternates the flow objective with pairs of dreams. Needs a world with motion."""

    def __init__(self, flow: RectifiedFlow, carrier: Carrier, config: ScoringConfig) -> None:
        self.flow, self.carrier, self.config = flow, carrier, config
        self.frames_per_step = flow.frames_per_step

    def batch(self, step: int) -> tuple[Tensor, ...]:
        """The flow's batch, and what is known [b t n] in worlds that keep what is off-screen."""
        known = self.flow.known(step)
        return (*self.flow.batch(step), *([] if known is None else [known]))

    def loss(
        self, network: WorldTransformer, batch: tuple[Tensor, ...], step: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        keep = self.config.keep
        if self.flow.update_of(step) % keep == 0:
            loss, _ = self.flow.loss(network, batch[:3], step)
            return loss, {"flow": keep * loss.detach()}
        draw = torch.Generator().manual_seed(self.flow.seed * 1_000_003 + step)
        looks = self.scores(network, batch, draw)
        values = {name: score.detach() * keep / (keep - 1) for name, score in looks.items()}
        return looks["first"] + looks["last"], values

    def scores(
        self, world: WorldTransformer, batch: tuple[Tensor, ...], draw: torch.Generator
    ) -> dict[str, Tensor]:
        """Mean energy scores of the first look and of the last, and how far two dreams are apart.

        The last look learns nothing of what the first one has made of it.
        """
        clean, controls, carried, *known = batch
        flow, grid = self.flow.flow, world.config.grid
        rounds = int(torch.randint(1, self.config.rounds + 1, (1,), generator=draw))
        now = played(world, self.carrier, clean, controls, carried, flow, draw, rounds, *known)
        now = now.twice()
        noise = torch.randn(now.own.shape, generator=draw)
        first = now.look(world, noise, 0.0)
        last = now.look(world, now.begun(first.detach(), noise, flow.warm_start), flow.warm_start)
        new = 1 - now.of(now.known).chunk(2)[0]
        truth = now.of(now.aim(torch.cat([clean, clean]))).chunk(2)[0]
        scale = self.flow.weights**0.5
        pairs = [[scale * x for x in now.of(look).chunk(2)] for look in (first, last)]
        weights = self.config.known + (1 - self.config.known) * new, torch.ones_like(new)
        scores = [
            energy_score(*pair, scale * truth, weight, grid)
            for pair, weight in zip(pairs, weights, strict=True)
        ]
        apart = (pairs[1][0] - pairs[1][1]).square().mean(-1).sqrt().detach()
        spread = (apart * new).sum() / new.sum().clamp_min(1)
        return {"first": scores[0], "last": scores[1], "spread": spread}

    def validate(self, network: WorldTransformer) -> dict[str, float]:
        return self.flow.validate(network)

    def draw(self, network: WorldTransformer, path: Path) -> None:
        self.flow.draw(network, path)


def energy_score(
    a: Tensor, b: Tensor, truth: Tensor, weight: Tensor, grid: tuple[int, int]
) -> Tensor:
    """Mean energy score of two samples [b n c] against the truth, over patches of PATCHES.

    Distances are root mean squares over a patch, places weigh as `weight` [b n] says.
    """
    fitting = [side for side in PATCHES if not (grid[0] % side or grid[1] % side)]
    scores = [_patches(a, b, truth, weight, grid, side) for side in fitting]
    return sum(scores) / len(fitting)


def _patches(
    a: Tensor, b: Tensor, truth: Tensor, weight: Tensor, grid: tuple[int, int], side: int
) -> Tensor:
    def apart(x: Tensor, y: Tensor) -> Tensor:
        each = rearrange((x - y).square().mean(-1), "b (h w) -> b h w", h=grid[0])
        return (F.avg_pool2d(each, side) + LEAST).sqrt()

    score = (apart(a, truth) + apart(b, truth) - apart(a, b)) / 2
    heavy = F.avg_pool2d(rearrange(weight, "b (h w) -> b h w", h=grid[0]), side)
    return (score * heavy).sum() / heavy.sum().clamp_min(LEAST)

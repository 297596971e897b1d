"""Scored outpainting: the outpainter learns to end its few looks in ground that may lie there.

A squared error is least at the mean of all that may lie beside a picture, which is a mist, and what
is dreamed beside mist is mist. Pairs of dreams are scored instead, as a world's are
(worldmodel.train.objectives.scoring), by their latents and by what a network that was trained on
photographs sees in their pictures: texture is much to it and little to latents. As play dreams new
ground beside dreamed ground, some of what is shown is dreamed first, from the side that is hidden
next (self forcing, Huang et al., arXiv 2506.08009).
Shapes: b frames, n latents of a frame, c channels, H W pixels.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from worldmodel.errors import UserError
from worldmodel.model.outpainter import Outpainter, noised_again
from worldmodel.model.tokenizer import Tokenizer, to_uint8
from worldmodel.train.config import TrainConfig
from worldmodel.train.objectives.outpainting import Outpainting, View, drawn_view, shown
from worldmodel.train.objectives.perceptual import TINY, PictureFeatures
from worldmodel.train.objectives.scoring import energy_score

SEEN = (0, 1, 2, 3)  # stages of EfficientNet-lite0 that are scored: strides 2 to 16
MOST = 0.65  # share of a frame's width or height that is shown: in play half of it
LEAST_FIRST, MOST_FIRST = 0.4, 0.75  # share of what is shown, and of a frame, dreamed first

Batch = tuple[np.ndarray, list[View], list[View], Tensor]


@dataclass(frozen=True, kw_only=True)
class ScoredConfig:
    """Whether dreams are scored, and beside what."""

    scored: bool = False
    own: float = 0.5  # share of the frames of which something shown is dreamed, too
    perceptual: float = 1.0  # weight of what is seen in the last look's pictures; 0: none

    def __post_init__(self) -> None:
        if not 0 <= self.own <= 1:
            raise UserError(f"own must lie in 0 to 1, found {self.own}")
        if not self.perceptual >= 0:
            raise UserError(f"perceptual must not be negative, found {self.perceptual}")


class ScoredOutpainting:
    """Each look of play, scored in pairs."""

    def __init__(self, plain: Outpainting, config: TrainConfig, scored: ScoredConfig) -> None:
        self.plain, self.own, self.weight = plain, scored.own, scored.perceptual
        self.features = PictureFeatures(SEEN) if scored.perceptual else None
        self.seed, self.count, self.frames_per_step = config.seed, config.batch, config.batch

    def batch(self, step: int) -> Batch:
        """Frames uint8 [b H W 3], what is shown of them, what of the first of them is shown before
        that, when something of it is dreamed, and openings [b 3 H W]."""
        random = np.random.default_rng([self.seed, step, 3])
        rows = random.integers(len(self.plain.store), size=self.count)
        frames = self.plain.frames(rows)
        views = [drawn_view(frame, random, MOST) for frame in frames]
        own = views[: round(self.own * self.count)]
        first = [hidden_first(view, frames[0], random) for view in own]
        return frames, views, first, self.plain.openings(self.plain.store, rows, random)

    def loss(
        self, network: Outpainter, batch: Batch, step: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        frames, views, first, openings = batch
        draw = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        with torch.no_grad():
            clean = self.plain.tokenizer.encode(torch.as_tensor(frames))
            if first:
                frames = frames.copy()
                begun = shown(frames[: len(first)], first)
                dreamed = self.plain.completed(network, *begun, openings[: len(first)], draw)
                frames[: len(first)] = to_uint8(dreamed).numpy()
        start, known = self.plain.begun(network, *shown(frames, views))
        opened = network.opened(self.plain.tokenizer, openings)
        start, known, *opened = (torch.cat([part, part]) for part in (start, known, *opened))
        noise = torch.randn(start.shape, generator=draw)
        hidden, scale = (1 - known).chunk(2)[0], self.plain.weights**0.5
        z, scores, looks = noise, {}, network.config.looks
        for i in range(looks):
            found = network(z, z.new_full((len(z),), i / looks), start, known, *opened)
            pair = [scale * x for x in found.chunk(2)]
            score = energy_score(*pair, scale * clean, hidden, network.config.grid)
            scores[f"look_{i + 1}"] = score
            z = noised_again(found.detach(), noise, i + 1, looks)  # each look learns by itself
        loss, values = sum(scores.values()), {name: s.detach() for name, s in scores.items()}
        if self.features:
            seen = seen_score(self.features, self.plain.tokenizer, found, clean, hidden)
            loss, values["perceptual"] = loss + self.weight * seen, seen.detach()
        apart = (pair[0] - pair[1]).square().mean(-1).sqrt().detach()
        values["spread"] = (apart * hidden).sum() / hidden.sum().clamp_min(1)
        return loss, values

    def validate(self, network: Outpainter) -> dict[str, float]:
        return self.plain.validate(network)

    def draw(self, network: Outpainter, path: Path) -> None:
        self.plain.draw(network, path)


def seen_score(
    features: PictureFeatures, tokenizer: Tokenizer, pairs: Tensor, truth: Tensor, hidden: Tensor
) -> Tensor:
    """Energy score of what is seen in the pictures of two samples [2b n c] of `truth` [b n c],
    places weighed as `hidden` [b n]. Each stage counts in units of what it sees in the truth."""
    share = rearrange(hidden, "b (h w) -> b 1 h w", h=tokenizer.config.grid[0])
    with torch.no_grad():
        aims = features(tokenizer.pictures(truth).float())
    scores = []
    for pair, aim in zip(features(tokenizer.pictures(pairs).float()), aims, strict=True):
        unit = (aim.float().square().mean(dim=(1, 2, 3)) + TINY).rsqrt()[:, None, None]
        *both, true = (
            unit * rearrange(x.float(), "b f h w -> b (h w) f") for x in (*pair.chunk(2), aim)
        )
        grid = tuple(aim.shape[-2:])
        weight = F.adaptive_avg_pool2d(share, grid).flatten(1)
        scores.append(energy_score(*both, true, weight, grid))
    return sum(scores) / len(scores)


def hidden_first(view: View, frame: np.ndarray, random: np.random.Generator) -> View:
    """What to show of a frame [H W 3] while something of what a `view` shows of it is dreamed: the
    side that is hidden later, and some more."""
    width = frame.shape[1 - view.turns % 2]
    hidden = max(1, int(min(view.begin, MOST_FIRST * width) * random.uniform(LEAST_FIRST, 1)))
    return View(view.turns + 2, width - hidden)

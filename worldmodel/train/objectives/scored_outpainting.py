"""Scored outpainting: the outpainter learns to end its few looks in ground that may lie there.

A squared error is least at the mean of all that may lie beside a picture, which is a mist, and what
is dreamed beside mist is mist. Pairs of dreams are scored instead, as a world's are
(worldmodel.train.objectives.scoring). As play dreams new ground beside dreamed ground, some of what
is shown is dreamed first, from the side that is hidden next (self forcing, Huang et al., arXiv
2506.08009).
Shapes: b frames, n latents of a frame, c channels, H W pixels.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from worldmodel.errors import UserError
from worldmodel.model.outpainter import Outpainter, noised_again
from worldmodel.model.tokenizer import to_uint8
from worldmodel.train.config import TrainConfig
from worldmodel.train.objectives.outpainting import Outpainting, View, drawn_view, shown
from worldmodel.train.objectives.scoring import energy_score

MOST = 0.65  # share of a frame's width or height that is shown: in play half of it
LEAST_FIRST, MOST_FIRST = 0.4, 0.75  # share of what is shown, and of a frame, dreamed first

Batch = tuple[np.ndarray, list[View], list[View], Tensor]


@dataclass(frozen=True, kw_only=True)
class ScoredConfig:
    """Whether dreams are scored, and beside what."""

    scored: bool = False
    own: float = 0.5  # share of the frames of which something shown is dreamed, too

    def __post_init__(self) -> None:
        if not 0 <= self.own <= 1:
            raise UserError(f"own must lie in 0 to 1, found {self.own}")


class ScoredOutpainting:
    """Each look of play, scored in pairs."""

    def __init__(self, plain: Outpainting, config: TrainConfig, scored: ScoredConfig) -> None:
        self.plain, self.own = plain, scored.own
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
            clean = self.plain.tokenizer.encode(torch.from_numpy(frames))
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
        apart = (pair[0] - pair[1]).square().mean(-1).sqrt().detach()
        spread = (apart * hidden).sum() / hidden.sum().clamp_min(1)
        return sum(scores.values()), {n: s.detach() for n, s in scores.items()} | {"spread": spread}

    def validate(self, network: Outpainter) -> dict[str, float]:
        return self.plain.validate(network)

    def draw(self, network: Outpainter, path: Path) -> None:
        self.plain.draw(network, path)


def hidden_first(view: View, frame: np.ndarray, random: np.random.Generator) -> View:
    """What to show of a frame [H W 3] while something of what a `view` shows of it is dreamed: the
    side that is hidden later, and some more."""
    width = frame.shape[1 - view.turns % 2]
    hidden = max(1, int(min(view.begin, MOST_FIRST * width) * random.uniform(LEAST_FIRST, 1)))
    return View(view.turns + 2, width - hidden)

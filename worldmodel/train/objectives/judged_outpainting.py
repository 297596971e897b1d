"""Judged outpainting: the outpainter learns to end its few looks in ground that looks real.

A squared error is least at the mean of all that may lie beside a picture, which is a mist, and what
is dreamed beside mist is mist. A critic has no use for it. It sees what a trained network sees in
the completed picture (projected GAN, Sauer et al., arXiv 2111.01007), at places from 4 to 32 pixels
wide, and with the part that was shown: edges must look real, and go on across the seam. As play
dreams new ground beside dreamed ground, some of what is shown is dreamed first, from the side that
is hidden next (self forcing, Huang et al., arXiv 2506.08009).
Shapes: b frames, n latents of a frame, c channels, H W pixels.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from worldmodel.errors import UserError
from worldmodel.model.critic import FeatureCritic
from worldmodel.model.outpainter import Outpainter
from worldmodel.model.tokenizer import to_float, to_uint8
from worldmodel.train.config import TrainConfig
from worldmodel.train.objectives.critics import opinion
from worldmodel.train.objectives.outpainting import Outpainting, View, drawn_view, shown
from worldmodel.train.objectives.perceptual import PictureFeatures, unit

STAGES = (1, 2, 4, 6)  # of EfficientNet-lite0, strides 4, 8, 16 and 32
LEAST_FIRST, MOST_FIRST = 0.4, 0.75  # share of what is shown, and of a frame, dreamed first


@dataclass(frozen=True, kw_only=True)
class JudgedConfig:
    """What counts how much."""

    critic: float = 0.0  # weight of the critic; 0: the squared error alone
    pixels: float = 1.0  # weight of the distance to what was hidden
    own: float = 0.5  # share of the frames of which something shown is dreamed, too

    def __post_init__(self) -> None:
        if min(self.critic, self.pixels) < 0 or not 0 <= self.own <= 1:
            raise UserError(
                "critic and pixels must be at least 0 and own lie in 0 to 1, found "
                f"{self.critic}, {self.pixels}, {self.own}"
            )


class OutpaintingDuel(nn.Module):
    """An outpainter and its critic, as one network for the loop."""

    def __init__(self, outpainter: Outpainter, critic: FeatureCritic) -> None:
        super().__init__()
        self.outpainter, self.critic = outpainter, critic


class JudgedOutpainting:
    """Completed pictures, judged by a critic that learns beside the outpainter."""

    def __init__(self, plain: Outpainting, config: TrainConfig, judged: JudgedConfig) -> None:
        self.plain, self.judged = plain, judged
        self.seed, self.count, self.frames_per_step = config.seed, config.batch, config.batch
        self.features = PictureFeatures(STAGES)

    def critic(self) -> FeatureCritic:
        """A new critic of such features."""
        return FeatureCritic(self.features.sizes)

    def batch(self, step: int) -> tuple[np.ndarray, list[View], list[View]]:
        """Frames uint8 [b H W 3], what is shown of them, and what of the first of them is shown
        before that, when something of it is dreamed."""
        random = np.random.default_rng([self.seed, step, 3])
        frames = self.plain.frames(random.integers(len(self.plain.store), size=self.count))
        views = [drawn_view(frame, random) for frame in frames]
        own = views[: round(self.judged.own * self.count)]
        return frames, views, [hidden_first(view, frames[0], random) for view in own]

    def loss(
        self, network: OutpaintingDuel, batch: tuple[np.ndarray, list[View], list[View]], step: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        frames, views, first = batch
        draw = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        if first:
            frames = frames.copy()
            with torch.no_grad():
                dreamed, _ = self.completed(network.outpainter, frames[: len(first)], first, draw)
            frames[: len(first)] = to_uint8(dreamed.clamp(0, 1)).numpy()
        made, known = self.completed(network.outpainter, frames, views, draw)
        real = to_float(torch.from_numpy(frames))
        far = (made - real).abs().mean() / (1 - known).mean()
        with torch.no_grad():
            true = [even(x) for x in self.features(real)]
        seen = [even(x) for x in self.features(made)]
        scores = network.critic(*true), network.critic(*(x.detach() for x in seen))
        caught = F.relu(1 - scores[0]).mean(), F.relu(1 + scores[1]).mean()
        fooled = -opinion(network.critic, *seen).mean()
        loss = self.judged.pixels * far + self.judged.critic * fooled + sum(caught)
        values = {"pixels": far, "fooled": fooled, "real": caught[0], "made": caught[1]}
        return loss, {name: value.detach() for name, value in values.items()}

    def completed(
        self, outpainter: Outpainter, frames: np.ndarray, views: list[View], draw: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Frames uint8 [b H W 3] with what is hidden dreamed [b 3 H W], as play does, and what is
        known of them [b 1 H W]. One look, the same for all, has gradients, and is the last."""
        pictures, known = shown(frames, views)
        start, share = self.plain.begun(outpainter, pictures, known)
        noise = torch.randn(start.shape, generator=draw)
        z, looks, tokens = noise, outpainter.config.looks, self.plain.tokenizer
        last = (
            int(torch.randint(looks, (1,), generator=draw))
            if torch.is_grad_enabled()
            else looks - 1
        )
        for i in range(last + 1):
            with torch.set_grad_enabled(torch.is_grad_enabled() and i == last):
                tau = i / looks
                clean = outpainter(z, z.new_full((len(z),), tau), start, share)
                z = z + (clean - z) / (looks - i)
        dreamed = tokens.pictures(tokens.clamp(clean)).float()
        return dreamed + known * (to_float(torch.from_numpy(frames)) - dreamed), known

    def validate(self, network: OutpaintingDuel) -> dict[str, float]:
        return self.plain.validate(network.outpainter)

    def draw(self, network: OutpaintingDuel, path: Path) -> None:
        self.plain.draw(network.outpainter, path)


def hidden_first(view: View, frame: np.ndarray, random: np.random.Generator) -> View:
    """What to show of a frame [H W 3] while something of what a `view` shows of it is dreamed: the
    side that is hidden later, and some more."""
    width = frame.shape[1 - view.turns % 2]
    hidden = int(min(view.begin, MOST_FIRST * width) * random.uniform(LEAST_FIRST, 1))
    return View(view.turns + 2, width - hidden)


def even(features: Tensor) -> Tensor:
    """Features [b f h w] of mean square 1 at each place."""
    return unit(features) * features.shape[1] ** 0.5

"""The objective of stages that teach a finished world to dream in few looks, as play asks it to.

Each method has a file of its own; this draws the frames, and judges.
Shapes: b clips, k frames of each, t frames of a clip, n latents of a frame, c channels.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from worldmodel.data.clips import ClipSampler
from worldmodel.diffusion.schedules import even_times, level_weight
from worldmodel.errors import UserError
from worldmodel.model.carrier import Carrier
from worldmodel.model.tokenizer import Tokenizer
from worldmodel.model.transformer import WorldTransformer
from worldmodel.train.aside import draw_aside, set_aside
from worldmodel.train.config import TrainConfig
from worldmodel.train.context import caches_at
from worldmodel.train.gaps import gap_figures
from worldmodel.train.judging import dream_figures, dreamed, sheet
from worldmodel.train.latents import LatentClips
from worldmodel.train.objectives.consistency import consistency
from worldmodel.train.objectives.distil_config import DistilConfig
from worldmodel.train.objectives.moment import Distilled, Moment, without_gradients
from worldmodel.train.objectives.perceptual import PictureFeatures, feature_distance
from worldmodel.train.objectives.reflow import reflow
from worldmodel.train.objectives.self_forcing import self_forcing
from worldmodel.train.objectives.shortcut import shortcut
from worldmodel.train.pictures import save_sheet
from worldmodel.train.sensitivity import channel_weights

METHODS = ("shortcut", "consistency", "reflow", "self_forcing")
TAUGHT = ("shortcut", "consistency", "reflow")  # these look through the teacher's eyes as well
GUIDED = ("consistency", "reflow")  # these bake its guidance in
JUMPING = ("shortcut", "consistency")  # these tell the network how far it jumps
JUDGED = 12  # clips in the figures


class Distillation:
    """Frames of clips of cached latents, each with the past that play would remember."""

    def __init__(
        self, clips: LatentClips, tokenizer: Tokenizer, carrier: Carrier | None,
        config: TrainConfig, distil: DistilConfig, window: int,
    ) -> None:  # fmt: skip
        if distil.objective not in METHODS:
            raise UserError(
                f"unknown objective {distil.objective!r}; choose one of {', '.join(METHODS)}"
            )
        self.clips, self.tokenizer, self.carrier = clips, tokenizer, carrier
        self.distil, self.seed, self.count = distil, config.seed, config.batch
        store = clips.store
        learned, _ = set_aside(store.episodes)
        self.sampler = ClipSampler(
            learned, store.motion, length=distil.clip, seed=config.seed, moving=distil.moving
        )
        self.frames_per_step = config.batch * distil.frames
        some = clips.latents[np.linspace(0, len(clips.latents) - 1, 32, dtype=int)]
        self.weights = channel_weights(tokenizer, torch.as_tensor(some).float())
        self.judged = draw_aside(store, tokenizer, JUDGED, window)
        self.features = PictureFeatures() if distil.perceptual else None

    def batch(self, step: int) -> tuple[Tensor, ...]:
        """Latents float32 [b t n c], controls [b t m] and, with motion, carried [b t n c]."""
        return self.clips.draw(self.sampler.draw(step, self.count), self.distil.clip)

    def loss(
        self, network: Distilled, batch: tuple[Tensor, ...], step: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        network.follow(min(self.distil.follow, (1 + step) / (10 + step)))
        draw = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        moment = self.moment(network, batch, draw)
        guess, target, tau = self.method(network, moment, draw)
        error = ((guess - target).square() * self.weights).mean(dim=(-2, -1))
        loss = (level_weight(tau, self.distil.floor) * error).mean()
        values = {"error": error.detach().mean()}
        if self.features:
            far = self.seen_distance(guess, target)
            loss, values["features"] = loss + self.distil.perceptual * far, far.detach()
        return loss, values

    def method(
        self, network: Distilled, moment: Moment, draw: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Guesses and targets [b' n c] and their noise levels [b'], by the objective's name."""
        name = self.distil.objective
        if name == "self_forcing":
            clamp = self.tokenizer.clamp
            return self_forcing(network, moment, draw, self.distil, self.carrier, clamp)
        method = {"shortcut": shortcut, "consistency": consistency, "reflow": reflow}[name]
        return method(network, moment, draw, self.distil)

    @torch.no_grad()
    def moment(
        self, network: Distilled, batch: tuple[Tensor, ...], draw: torch.Generator
    ) -> Moment:
        """`frames` of each clip, at random, as play stands before them."""
        clean, controls, *carried = batch
        later = self.distil.horizon - 1 if self.distil.objective == "self_forcing" else 0
        last = self.distil.clip - later  # that can be dreamed with all later ones in the clip
        at = (torch.randperm(last - 1, generator=draw)[: self.distil.frames] + 1).sort().values
        with without_gradients(clean.device):
            caches = [
                caches_at(each, self.carrier, clean, controls, carried, at)
                for each in self._seeing(network)
            ]
            keys = controls[:, at].flatten(0, 1)
            start = self.carrier and self.carrier.carry(caches[0], keys)
        following = at[:, None] + 1 + torch.arange(later)
        return Moment(
            cache=caches[0],
            taught=caches[-1],
            carried=start,
            controls=keys,
            clean=clean[:, at].flatten(0, 1),
            later_controls=controls[:, following].flatten(0, 1),
            later=clean[:, following].flatten(0, 1),
        )

    def _seeing(self, network: Distilled) -> list[WorldTransformer]:
        taught = self.distil.objective in TAUGHT
        return [network.student, network.teacher] if taught else [network.student]

    def seen_distance(self, guess: Tensor, target: Tensor) -> Tensor:
        """Distance of the decoded pictures' features, the decoder's weights left as they are."""
        made = self.features(self.tokenizer.pictures(guess))
        with torch.no_grad():
            true = self.features(self.tokenizer.pictures(target))
        return feature_distance(made, true).mean()

    def validate(self, network: Distilled) -> dict[str, float]:
        """Gap of few looks to the teacher's many, and figures of rollouts as play makes them."""
        frames = self._dreamed(network.student)
        return self.gap(network) | dream_figures(frames, self.judged)

    def gap(self, network: Distilled) -> dict[str, float]:
        """See `gap_figures`; at the looks of play, the teacher guided as is baked in."""
        distil = self.distil
        return gap_figures(
            network.student, network.teacher, self.carrier, self.judged, (distil.looks,),
            distil.guidance if distil.objective in GUIDED else 1.0, warm_start=distil.warm_start,
        )  # fmt: skip

    @torch.no_grad()
    def draw(self, network: Distilled, path: Path) -> None:
        """Truth above, dream on the same keys below, from the end of a real context."""
        save_sheet(sheet(self._dreamed(network.student), self.judged), path)

    def _dreamed(self, network: WorldTransformer) -> Tensor:
        return dreamed(
            network, self.tokenizer, self.carrier, self.judged,
            times=even_times(self.distil.looks), warm_start=self.distil.warm_start,
        )  # fmt: skip

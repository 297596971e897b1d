"""The decoder alone, on latents as play has them: encoded, noised, and dreamed by the world.

Pictures are compared by pixels, by features (perceptual) and, if asked, by a critic of patches. The
encoder stays, and with it all latents and the world (cf. GameNGen, arXiv 2408.14837, section 3.2.2;
RAE, arXiv 2510.11690).
Shapes: b pictures, n latents of a frame, c channels, H W pixels, p dreamed clips, k their frames.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from worldmodel.errors import UserError
from worldmodel.model.carrier import Carrier
from worldmodel.model.critic import PatchCritic
from worldmodel.model.motion import Motion
from worldmodel.model.tokenizer import Tokenizer, to_float
from worldmodel.model.transformer import WorldTransformer
from worldmodel.train.aside import AsideClips, set_aside
from worldmodel.train.config import TrainConfig
from worldmodel.train.judging import decoded, dream_figures, dreamed, sheet
from worldmodel.train.latents import LatentClips
from worldmodel.train.metrics import psnr
from worldmodel.train.objectives.critics import hinge_loss, hinge_opinion
from worldmodel.train.objectives.perceptual import PictureFeatures, feature_distance, square
from worldmodel.train.objectives.reconstruction import gradient_loss
from worldmodel.train.objectives.rounds import Move, gone_round, latents_of
from worldmodel.train.pictures import save_sheet


@dataclass(frozen=True, kw_only=True)
class DecoderConfig:
    """What the decoder is shown, and what its pictures are judged by."""

    noise: float = 0.3  # largest deviation of noise on encoded latents, in their deviations
    predicted: float = 0.5  # share of the pictures whose latents the world has dreamed
    pool: int = 64  # clips dreamed for them, once
    depth: int = 4  # frames of such a clip
    trust: float = 0.3  # weight of the pixels of dreamed frames, which lie beside the true ones
    perceptual: float = 0.05  # weight of the distance of features
    critic: float = 0.0  # weight of the critic; 0: none
    critic_warmup: int = 100  # updates in which its weight rises
    crop: int = 64  # pixels to a side that features and critic see
    rounds: int = 6  # times that pictures are moved, encoded and decoded, at most; 0: never

    def __post_init__(self) -> None:
        if not 0 <= self.predicted <= 1 or min(self.pool, self.depth, self.crop) < 1:
            raise UserError(
                "predicted must lie in 0 to 1, and pool, depth and crop must be at least 1, found "
                f"{self.predicted}, {self.pool}, {self.depth}, {self.crop}"
            )


class DecoderDuel(nn.Module):
    """A tokenizer whose decoder learns, and its critic, as one network for the loop."""

    def __init__(self, tokenizer: Tokenizer, critic: PatchCritic | None) -> None:
        super().__init__()
        self.tokenizer, self.critic = tokenizer, critic
        tokenizer.requires_grad_(False)
        tokenizer.decoder.requires_grad_(True)


@dataclass(frozen=True)
class Pool:
    """Frames that the world has dreamed, with the rows of the true ones."""

    latents: Tensor  # float32 [p k n c]
    rows: np.ndarray  # int64 [p k]


class DecoderStage:
    """Pictures of training episodes, those kept aside left out; validates on the latter."""

    def __init__(
        self, clips: LatentClips, pool: Pool, judged: AsideClips, world: WorldTransformer,
        motion: Motion | None, play: dict[str, object], config: TrainConfig,
        decoder: DecoderConfig,
    ) -> None:  # fmt: skip
        self.clips, self.pool, self.judged, self.decoder = clips, pool, judged, decoder
        self.world, self.motion, self.play = world, motion, play
        self.seed, self.frames_per_step = config.seed, config.batch
        learned, _ = set_aside(clips.store.episodes)
        self.rows = np.concatenate([np.arange(span.start, span.stop) for span in learned])
        self.features = PictureFeatures() if decoder.perceptual else None

    def batch(self, step: int) -> tuple[Tensor, ...]:
        """Latents [b n c], the true pictures [b 3 H W] and the trust in their pixels [b]."""
        draw = np.random.default_rng((self.seed, step))
        count = round(self.decoder.predicted * self.frames_per_step)
        rows = np.sort(draw.choice(self.rows, self.frames_per_step - count))
        noise = draw.uniform(0, self.decoder.noise, (len(rows), 1, 1))
        latents = self.clips.latents[rows].astype(np.float32)
        latents += noise * draw.standard_normal(latents.shape)
        clip, frame = (draw.integers(size, size=count) for size in self.pool.rows.shape)
        rows = np.concatenate([rows, self.pool.rows[clip, frame]])
        pictures = to_float(torch.as_tensor(np.stack([self.clips.store.frames[i] for i in rows])))
        shown = torch.cat([torch.as_tensor(latents).float(), self.pool.latents[clip, frame]])
        trust = torch.ones(len(rows))
        trust[len(rows) - count :] = self.decoder.trust
        return shown, pictures, trust

    def loss(
        self, network: DecoderDuel, batch: tuple[Tensor, ...], step: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        latents, true, trust = batch
        made, true, trust = self.made(network.tokenizer, latents, true, trust, step)
        pixels = ((made - true).abs().mean(dim=(1, 2, 3)) * trust).mean()
        loss = pixels + gradient_loss(made, true, trust)
        values = {"l1": pixels.detach()}
        place = square(true.shape[-2:], self.decoder.crop, (self.seed, step, 1))
        made, true = (x[..., *place] for x in (made, true))
        if self.features:
            with torch.no_grad():
                aim = self.features(true)
            far = (feature_distance(self.features(made), aim) * trust).mean()
            loss, values["features"] = loss + self.decoder.perceptual * far, far.detach()
        if network.critic is not None:
            rise = min(1.0, (step + 1) / self.decoder.critic_warmup)
            seen_through = hinge_opinion(network.critic, made)
            caught = hinge_loss(network.critic, true, made)
            loss = loss + self.decoder.critic * rise * seen_through + caught
            values |= {"critic": seen_through.detach(), "caught": caught.detach()}
        return loss, values

    def made(
        self, tokenizer: Tokenizer, latents: Tensor, true: Tensor, trust: Tensor, step: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Decoded pictures, what they should be [b 3 H W], and the trust in that [b].

        With rounds, half of the pictures have been round before, and all go round once more.
        """
        if not self.decoder.rounds:
            return tokenizer.pictures(latents).float(), true, trust
        draw = np.random.default_rng((self.seed, step, 2))
        size = tuple(true.shape[-2:])
        times = int(draw.integers(self.decoder.rounds + 1))
        round_before, moved = gone_round(tokenizer, latents[::2], times, size, draw)
        at = Move.none(len(latents))
        at.zoom[::2], at.shift[::2] = moved.zoom, moved.shift
        latents = latents.clone()
        latents[::2] = round_before
        first = tokenizer.pictures(latents).float()
        move = Move.drawn(len(latents), size, draw)
        again = tokenizer.pictures(latents_of(tokenizer, move.of(first))).float()
        aims = at.of(true), at.then(move).of(true)
        return torch.cat([first, again]), torch.cat(aims), trust.repeat(2)

    @torch.no_grad()
    def validate(self, network: DecoderDuel) -> dict[str, float]:
        """How true latents look, and rollouts that pass through the decoder."""
        judged, tokenizer = self.judged, network.tokenizer
        again = decoded(tokenizer, judged.latents[:, judged.context :])
        figures = dream_figures(again, judged)
        own = {"psnr": float(psnr(again, judged.truth).mean()), "sharpness": figures["sharpness_1"]}
        return own | dream_figures(self._dreamed(tokenizer), judged)

    @torch.no_grad()
    def draw(self, network: DecoderDuel, path: Path) -> None:
        """Truth above, dream below, decoded by the new decoder at every frame."""
        save_sheet(sheet(self._dreamed(network.tokenizer), self.judged), path)

    def _dreamed(self, tokenizer: Tokenizer) -> Tensor:
        carrier = Carrier(self.motion, tokenizer) if self.motion else None
        return dreamed(self.world, tokenizer, carrier, self.judged, **self.play)

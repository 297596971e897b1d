"""A lighter tokenizer with another one's latents, so that what was trained with these goes on.

The encoder learns to say what the other one says (knowledge distillation, Hinton et al., arXiv
1503.02531), also of pictures that have been moved by part of a pixel, as a world with motion moves
them. The decoder learns to turn the other one's latents, with some noise, into what was recorded,
which is more than the other's pictures tell; or, to `imitate`, into the other one's own pictures,
so that a world that was chosen by how it looks goes on looking so.
Shapes: b pictures, n latents of a frame, c channels, H W pixels.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from worldmodel.errors import UserError
from worldmodel.model.detail import sampled_sharply
from worldmodel.model.tokenizer import Tokenizer, to_float
from worldmodel.model.warp import centres
from worldmodel.train.metrics import psnr
from worldmodel.train.objectives.perceptual import PictureFeatures, feature_distance, square
from worldmodel.train.objectives.reconstruction import gradient_loss
from worldmodel.train.pictures import save_sheet

STILL = 0.3  # share of the encoder's pictures that are not moved
REACH = 16  # pixels by which the others are, at most
JUDGED = 64  # held-out frames in the figures


@dataclass(frozen=True, kw_only=True)
class LighteningConfig:
    """What the decoder is shown, and what its pictures are judged by."""

    noise: float = 0.3  # largest deviation of noise on latents, in their deviations
    perceptual: float = 0.07  # weight of the distance of features
    crop: int = 64  # pixels to a side that features see
    imitate: bool = False  # the decoder learns the other one's pictures, not the recorded ones

    def __post_init__(self) -> None:
        if min(self.noise, self.perceptual) < 0 or self.crop < 1:
            raise UserError(
                "noise and perceptual must be at least 0 and crop at least 1, found "
                f"{self.noise}, {self.perceptual}, {self.crop}"
            )


class Lightening:
    """Frames uint8 [n H W 3] drawn at random; validates on fixed held-out frames."""

    def __init__(
        self, frames: np.ndarray, heldout: np.ndarray, teacher: Tokenizer, lightening:
        LighteningConfig, *, batch: int, seed: int,
    ) -> None:  # fmt: skip
        self.frames, self.seed, self.frames_per_step = frames, seed, batch
        self.teacher, self.config = teacher.requires_grad_(False), lightening
        self.features = PictureFeatures() if lightening.perceptual else None
        chosen = np.linspace(0, len(heldout) - 1, min(JUDGED, len(heldout)), dtype=int)
        self.heldout = torch.as_tensor(heldout[chosen])

    def batch(self, step: int) -> tuple[Tensor, ...]:
        """True pictures and moved ones [b 3 H W], and noise for latents [b n c]."""
        draw = np.random.default_rng((self.seed, step))
        rows = np.sort(draw.integers(len(self.frames), size=self.frames_per_step))
        pictures = to_float(torch.as_tensor(self.frames[rows]))
        h, w = self.teacher.config.grid
        noise = draw.standard_normal((len(rows), h * w, self.teacher.config.latent_channels))
        noise *= draw.uniform(0, self.config.noise, (len(rows), 1, 1))
        return pictures, moved(pictures, draw), torch.as_tensor(noise).float()

    def loss(
        self, network: Tokenizer, batch: tuple[Tensor, ...], step: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        true, shown, noise = batch
        with torch.no_grad():
            said = self.teacher.standardise(self.teacher.bounded(shown))
            if self.config.imitate:
                latents = said + noise
                true = self.teacher.pictures(latents).float()
            else:
                latents = self.teacher.standardise(self.teacher.bounded(true)) + noise
        off = (network.standardise(network.bounded(shown)) - said).square().mean()
        made = network.pictures(latents).float()
        pixels = (made - true).abs().mean()
        loss = off + pixels + gradient_loss(made, true)
        values = {"off": off.detach(), "l1": pixels.detach()}
        if self.features:
            place = square(true.shape[-2:], self.config.crop, (self.seed, step, 1))
            made, true = (x[..., *place] for x in (made, true))
            with torch.no_grad():
                aim = self.features(true)
            far = feature_distance(self.features(made), aim).mean()
            loss, values["features"] = loss + self.config.perceptual * far, far.detach()
        return loss, values

    @torch.no_grad()
    def validate(self, network: Tokenizer) -> dict[str, float]:
        """PSNR there and back, of the decoder alone, and against the other one's pictures; how far
        latents are off, as a share of their deviation."""
        said, own = (each.encode(self.heldout) for each in (self.teacher, network))
        shown = self.teacher.decode(said)
        pairs = {
            "psnr": (self.heldout, own),
            "decoder_psnr": (self.heldout, said),
            "likeness": (shown, said),
        }
        figures = {
            name: float(psnr(aim, network.decode(latents)).mean())
            for name, (aim, latents) in pairs.items()
        }
        return figures | {"off": float((own - said).square().mean().sqrt())}

    @torch.no_grad()
    def draw(self, network: Tokenizer, path: Path) -> None:
        """Truth, the teacher and the lighter one, from above."""
        frames = self.heldout[:: max(1, len(self.heldout) // 8)][:8]
        again = (each.decode(each.encode(frames)) for each in (self.teacher, network))
        save_sheet([frames.numpy(), *(rows.numpy() for rows in again)], path, scale=2)


def moved(pictures: Tensor, draw: np.random.Generator) -> Tensor:
    """Pictures [b 3 H W], most of them moved by some pixels and parts of one; edges repeat."""
    count, (height, width) = len(pictures), pictures.shape[-2:]
    way = draw.uniform(-REACH, REACH, (count, 2)) / (width / 2, height / 2)
    way[draw.random(count) < STILL] = 0
    way = torch.as_tensor(way).float()
    return sampled_sharply(pictures, centres(height, width) + way[..., None, None])

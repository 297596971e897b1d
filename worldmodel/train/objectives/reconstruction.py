"""Tokenizer reconstruction: pixels, picture gradients and, if asked, features; noised latents."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from worldmodel.model.tokenizer import Tokenizer, to_float
from worldmodel.train.metrics import psnr
from worldmodel.train.objectives.perceptual import PictureFeatures, feature_distance
from worldmodel.train.pictures import save_sheet

GRADIENT_WEIGHT = 1.0
SQUARE_WEIGHT = 2.0


@dataclass(frozen=True, kw_only=True)
class ReconstructionConfig:
    """What is noted of a run whose pictures are also compared by features."""

    perceptual: float


class Reconstruction:
    """Frames uint8 [n H W 3] drawn at random; validates on fixed held-out frames.

    `noise` is the largest deviation of Gaussian noise on the bounded latents: each picture draws
    its own in 0..noise, so that small errors of the world model decode to small errors (RAE).
    `perceptual` weighs the distance of the pictures' features.
    """

    def __init__(
        self, frames: np.ndarray, heldout: np.ndarray, *, batch: int, seed: int,
        noise: float = 0.1, perceptual: float = 0.0,
    ) -> None:  # fmt: skip
        self.frames, self.seed, self.noise, self.perceptual = frames, seed, noise, perceptual
        self.features = PictureFeatures() if perceptual else None
        self.frames_per_step = batch
        self.heldout = heldout[np.linspace(0, len(heldout) - 1, min(256, len(heldout)), dtype=int)]

    def batch(self, step: int) -> tuple[Tensor]:
        draw = np.random.default_rng((self.seed, step))
        chosen = np.sort(draw.integers(len(self.frames), size=self.frames_per_step))
        return (to_float(torch.as_tensor(self.frames[chosen])),)

    def loss(
        self, network: Tokenizer, batch: tuple[Tensor], step: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        (pictures,) = batch
        draw = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        h, w = network.config.grid
        shape = (len(pictures), network.config.latent_channels, h, w)
        size = torch.rand(len(pictures), 1, 1, 1, generator=draw) * self.noise
        output = network(pictures, size * torch.randn(shape, generator=draw)).float()
        absolute, square = F.l1_loss(output, pictures), F.mse_loss(output, pictures)
        gradient = gradient_loss(output, pictures)
        loss = absolute + GRADIENT_WEIGHT * gradient + SQUARE_WEIGHT * square
        values = {"l1": absolute.detach(), "psnr": -10 * torch.log10(square.detach())}
        if self.features:
            with torch.no_grad():
                true = self.features(pictures)
            far = feature_distance(self.features(output), true).mean()
            loss, values["features"] = loss + self.perceptual * far, far.detach()
        return loss, values

    @torch.no_grad()
    def validate(self, network: nn.Module) -> dict[str, float]:
        values = [psnr(part, self._roundtrip(network, part)) for part in self._heldout().split(32)]
        return {"psnr": float(torch.cat(values).mean())}

    @torch.no_grad()
    def draw(self, network: nn.Module, path: Path) -> None:
        frames = self._heldout()[:: max(1, len(self.heldout) // 8)][:8]
        save_sheet([frames.numpy(), self._roundtrip(network, frames).numpy()], path, scale=2)

    def _heldout(self) -> Tensor:
        return torch.as_tensor(self.heldout)

    @staticmethod
    def _roundtrip(network: Tokenizer, frames: Tensor) -> Tensor:
        return network.decode(network.encode(frames))


def gradient_loss(a: Tensor, b: Tensor, weights: Tensor | float = 1.0) -> Tensor:
    """L1 between horizontal and vertical differences of [b 3 H W], weighted by picture [b]."""
    across, down = (
        (a.diff(dim=dim) - b.diff(dim=dim)).abs().mean(dim=(1, 2, 3)) for dim in (-1, -2)
    )
    return ((across + down) * weights).mean()


@torch.no_grad()
def measure_statistics(network: Tokenizer, frames: np.ndarray, count: int = 2048) -> None:
    """Set the tokenizer's mean and deviation a channel from evenly spaced frames."""
    chosen = frames[np.linspace(0, len(frames) - 1, min(count, len(frames)), dtype=int)]
    latents = torch.cat(
        [network.bounded(to_float(part)) for part in torch.as_tensor(chosen).split(64)]
    )
    network.mean.copy_(latents.mean(dim=(0, 2, 3)))
    network.deviation.copy_(latents.std(dim=(0, 2, 3)).clamp_min(1e-3))

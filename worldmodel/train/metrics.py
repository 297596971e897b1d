"""Figures that training reports while it goes on."""

import torch
from torch import Tensor


def psnr(a: Tensor, b: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB of uint8 frames [... H W 3], a value a frame [...]."""
    error = (a.float() - b.float()).square().mean(dim=(-3, -2, -1))
    return 10 * torch.log10(255**2 / error.clamp_min(1e-3))


def key_scores(truth: Tensor, guess: Tensor) -> dict[str, Tensor]:
    """Precision, recall and F1 of each button, float [m], from bool [... m].

    A button that is never held has no recall, one that is never guessed no precision: NaN.
    """
    truth, guess = truth.flatten(0, -2), guess.flatten(0, -2)
    both = (truth & guess).sum(0).float()
    return {
        "precision": both / guess.sum(0),
        "recall": both / truth.sum(0),
        "f1": 2 * both / (truth.sum(0) + guess.sum(0)),
    }

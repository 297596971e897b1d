"""How much each latent channel means to the eye: weights for losses in latent space."""

import torch
from torch import Tensor

from worldmodel.model.tokenizer import Tokenizer

NUDGE = 0.3  # standard deviations


@torch.no_grad()
def channel_weights(tokenizer: Tokenizer, latents: Tensor) -> Tensor:
    """Weights [c] with mean 1 from standardised latents [b n c].

    Each channel is disturbed by Gaussian noise of NUDGE; its weight is the root mean square change
    of the decoded picture. The root, not the square, keeps faint channels (fine detail) learning.
    """
    before = tokenizer.pictures(latents)
    draw = torch.Generator().manual_seed(0)
    noise = NUDGE * torch.randn(latents.shape[:2], generator=draw)
    changes = []
    for channel in range(latents.shape[-1]):
        nudged = latents.clone()
        nudged[..., channel] += noise
        changes.append((tokenizer.pictures(nudged) - before).square().mean().sqrt())
    weights = torch.stack(changes)
    return weights / weights.mean()

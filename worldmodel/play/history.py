"""The frames that a player's world remembers, kept so that a newer version of it can go on."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from worldmodel.diffusion.rollout import prefill
from worldmodel.errors import UserError
from worldmodel.model.cache import Memory
from worldmodel.play.world import World


@dataclass(frozen=True)
class Remembered:
    """One frame: its latent [n c], the controls [k] that produced it and the picture it became."""

    latent: Tensor
    controls: Tensor
    picture: np.ndarray  # uint8 [h w 3]
    tokenizer: str  # hash of the tokenizer whose latent it is


@torch.inference_mode()
def remembered_by(world: World, past: tuple[Remembered, ...]) -> Memory:
    """What `world` would remember if these frames had been its own, oldest first.

    Latents are kept where they are of the same tokenizer, pictures are encoded anew where not.
    Raises UserError when the frames are of another size or have other controls.
    """
    h, w = world.config.tokenizer.height, world.config.tokenizer.width
    past = past[-world.network.config.window :]
    last = past[-1]
    if last.picture.shape[:2] != (h, w) or len(last.controls) != world.config.controls.size:
        raise UserError(
            f"the newer {world.config.title} has frames of {w}x{h} and "
            f"{world.config.controls.size} controls, so play cannot go on in it; enter a scene"
        )
    shown = np.stack([frame.picture for frame in past])
    if last.tokenizer == world.config.tokenizer_hash:
        latents = torch.stack([frame.latent for frame in past]).to(world.device)
    else:
        latents = world.tokenizer.encode(torch.tensor(shown, device=world.device))
    controls = torch.stack([frame.controls for frame in past]).to(world.device)
    cache = world.network.empty_cache()
    carrier = world.carrier
    pictures = carrier and carrier.real(torch.as_tensor(shown[None]))
    prefill(world.network, cache, latents[None], controls[None], carrier, pictures)
    return cache.memory

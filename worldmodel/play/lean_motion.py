"""The motion network once more, for play: packed convolutions, and tables instead of small layers.

Shapes: b players, n latents of a frame, c channels, r controls remembered, m controls.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from worldmodel.model.motion import FINER, REACH, Motion
from worldmodel.play.lean_layers import LeanConvBlock
from worldmodel.play.packed import Conv


class LeanMotion:
    """Called like the motion network whose weights it copies."""

    def __init__(self, motion: Motion, dtype: torch.dtype) -> None:
        self.motion, self.dtype, self.grid = motion, dtype, motion.config.grid
        self.first = Conv(motion.first, dtype, self.grid)
        self.blocks = [LeanConvBlock(block, dtype, self.grid) for block in motion.blocks]
        self.last = Conv(motion.last, dtype, self.grid)
        self.places = motion.places.to(dtype)
        everywhere = F.interpolate(motion.everywhere, scale_factor=FINER, mode="bilinear")
        self.everywhere = everywhere.flatten(1)  # [code, 2 * 2h * 2w]

    def __call__(self, latent: Tensor, recent: Tensor) -> Tensor:
        """latent [b n c], recent [b r m] -> flow [b 2 2h 2w]; as Motion.forward."""
        code = self.motion.code(recent.flatten(1).nan_to_num())
        x = latent.to(self.dtype).unflatten(1, self.grid).permute(0, 3, 1, 2)
        x = self.first(torch.cat([x, self.places.expand(len(x), -1, -1, -1)], dim=1))
        for block in self.blocks:
            x = block(x, block.film(code))
        fine = F.pixel_shuffle(self.last(F.relu(x)).float(), FINER)
        coarse = (code @ self.everywhere).view(fine.shape)
        return torch.add(coarse, fine, alpha=REACH)

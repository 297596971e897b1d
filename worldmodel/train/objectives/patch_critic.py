"""A critic that tells real pictures from made ones, patch by patch, and the losses of both sides.

PatchGAN (arXiv 1611.07004) with hinge losses (arXiv 1705.02894).
Shapes: b pictures, H W pixels, h w patches.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FOLD = 2  # pixels to a side that the first convolution sees as one


class PatchCritic(nn.Module):
    """critic(pictures [b 3 H W] in 0..1) -> scores [b H/4 W/4], positive where it looks real.

    A score rests on 22x22 pixels: textures and edges, not the scene.
    """

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.PixelUnshuffle(FOLD),
            nn.Conv2d(3 * FOLD**2, width, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 2 * width, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 1, 1),
        )

    def forward(self, pictures: Tensor) -> Tensor:
        return self.layers(pictures * 4 - 2)[:, 0].float()


def critic_loss(critic: PatchCritic, real: Tensor, made: Tensor) -> Tensor:
    """Hinge loss of the critic on pictures [b 3 H W]; no gradient goes into what made them."""
    told, deceived = critic(real), critic(made.detach())
    return F.relu(1 - told).mean() + F.relu(1 + deceived).mean()


def student_loss(critic: PatchCritic, made: Tensor) -> Tensor:
    """What a student loses as the critic sees through it; no gradient goes into the critic."""
    fixed = {name: value.detach() for name, value in critic.named_parameters()}
    return -torch.func.functional_call(critic, fixed, (made,)).mean()

"""Ending: whether the level is over, told from how the last two pictures look around the figure.

A game's levels end: at a coin, in lava, at an enemy. A dream that knows nothing of this goes on
past the coin for ever, to places that no level has. So a small network looks at each picture as it
is shown, and when it says that the level is over the next frame is the one the dream began with,
as games begin a level anew.
Shapes: b pictures, H W pixels.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from worldmodel.errors import UserError
from worldmodel.model.contact import Window

FOLD = 4  # pixels to a side that become channels
MULTIPLE = 2 * FOLD  # of which a window's height and width are
HIDDEN = 64
DROPPED = 0.3  # share of what the last layers are shown that is dropped in training


@dataclass(frozen=True, kw_only=True)
class EndingConfig:
    """`window` is what is looked at of pictures of a `size`, height and width in pixels. What the
    network says counts as an end from `threshold` on, a logit."""

    size: tuple[int, int] = (96, 128)
    window: Window = (16, 24, 64, 80)
    features: int = 48
    threshold: float = 0.0

    def __post_init__(self) -> None:
        top, left, height, width = self.window
        inside = top + height <= self.size[0] and left + width <= self.size[1]
        whole = height % MULTIPLE == 0 and width % MULTIPLE == 0
        if not (inside and whole and min(height, width, self.features) > 0 <= min(top, left)):
            raise UserError(
                f"an ending's window must lie in pictures of {self.size} and be multiples of "
                f"{MULTIPLE} high and wide, with features of 1 or more; found {self}"
            )


class Ending(nn.Module):
    """ending(before, now [b 3 H W]) -> logits [b]: whether the game is over after `now`.

    Pictures in 0..1. Channels are mixed in each place and places in each channel, as MobileNets do
    (Howard et al., arXiv 1704.04861): it runs at every frame.
    """

    def __init__(self, config: EndingConfig) -> None:
        super().__init__()
        self.config = config
        f, (height, width) = config.features, config.window[2:]
        self.first = nn.Sequential(nn.Conv2d(6 * FOLD**2, f, 1), nn.ReLU(), _mixed(f, 2 * f))
        self.coarser = _mixed(2 * f, 2 * f, stride=2)
        self.again = _mixed(2 * f, 2 * f)
        places = (height // MULTIPLE) * (width // MULTIPLE)
        self.last = nn.Sequential(
            nn.Flatten(),
            nn.Dropout(DROPPED),
            nn.Linear(2 * f * places, HIDDEN),
            nn.SiLU(),
            nn.Linear(HIDDEN, 1),
        )  # fmt: skip; with ReLU all that is surely an end said the same, and so did what is nearly

    def forward(self, before: Tensor, now: Tensor) -> Tensor:
        top, left, height, width = self.config.window
        window = slice(top, top + height), slice(left, left + width)
        before, now = (pictures[..., *window].float() for pictures in (before, now))
        x = F.pixel_unshuffle(torch.cat([now, now - before], dim=1), FOLD)
        x = self.coarser(self.first(x))
        return self.last(x + self.again(x))[:, 0]

    def over(self, before: Tensor, now: Tensor, near: Tensor) -> tuple[Tensor, Tensor]:
        """Whether the level is over [b], and whether it looks so [b]; of pictures that may have
        looked so at the frame before: `near` [b], bool on the CPU.

        What looks like an end from the beginning is none, until it has looked otherwise. Nothing
        does after the first picture of all, before which there is none, [b 0].
        """
        if before.ndim < now.ndim:
            return torch.zeros_like(near), torch.zeros_like(near)
        looks = (self(before, now) >= self.config.threshold).cpu()
        return looks & ~near, looks


def _mixed(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """Places mixed in each channel, then channels in each place."""
    return nn.Sequential(
        nn.Conv2d(inputs, inputs, 3, stride, padding=1, groups=inputs),
        nn.Conv2d(inputs, outputs, 1),
        nn.ReLU(),
    )

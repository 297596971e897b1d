"""Inverse dynamics: which controls led from each frame of a clip to the next.

The network sees a few frames on both sides of a transition (VPT, Baker et al., arXiv 2206.11795),
so it can wait and see what came of a key. It looks at pictures: real frames, dreams and video
without a tokenizer are all the same to it.
Shapes: b clips, t frames, m controls (buttons, then axes), f c features, d code, H W pixels.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from worldmodel.errors import UserError
from worldmodel.model.tokenizer import Block

HALF = 2  # pixels to a side that are averaged before blocks are matched
BLOCK = 4  # half pixels to a side of a block
SHRINK = 32  # pixels to a side that `height` and `width` are multiples of
SHIFTS = [(dy, dx) for dy in range(-2, 3) for dx in range(-6, 7)]  # in half pixels
FAINT = 0.01  # of white: differences that are noise
SEEN = len(SHIFTS) + 1 + 2 * 3  # channels: costs, their size, both frames' colours


@dataclass(frozen=True, kw_only=True)
class InverseDynamicsConfig:
    """Sizes; frames of another size than `height` x `width` are resized to it.

    `buttons` and `axes` are the world's, by name: a model must not be asked about other keys.
    """

    buttons: tuple[str, ...]
    axes: tuple[str, ...] = ()
    height: int = 96
    width: int = 128
    features: int = 48
    code: int = 128
    reach: int = 4  # transitions that it looks back and ahead

    def __post_init__(self) -> None:
        if not self.buttons:
            raise UserError("there is nothing to learn: the data has no buttons; record some keys")
        sizes = self.height, self.width, self.features, self.code
        if min(sizes) < 1 or self.reach < 0:
            raise UserError(f"sizes of an inverse dynamics model must be at least 1, found {self}")
        if self.height % SHRINK or self.width % SHRINK:
            raise UserError(
                f"height and width must be multiples of {SHRINK}, found {self.height} and "
                f"{self.width}; choose others"
            )

    @property
    def controls(self) -> int:
        return len(self.buttons) + len(self.axes)


class InverseDynamics(nn.Module):
    """inverse(pictures [b t 3 H W] in 0..1) -> [b t-1 m]: a logit a button, then axes.

    Row j tells what produced frame j + 1. Axes are in the data's own units.
    """

    unit: Tensor  # [axes], their typical size in the data

    def __init__(self, config: InverseDynamicsConfig) -> None:
        super().__init__()
        self.config = config
        f, d = config.features, config.code
        places = (config.height // SHRINK * 2) * (config.width // SHRINK * 2)
        self.pair = nn.Sequential(
            nn.Conv2d(SEEN, f, 3, padding=1),
            Block(f),
            nn.ReLU(),
            nn.Conv2d(f, f, 3, stride=2, padding=1),
            Block(f),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(f * places, d),
        )
        self.around = nn.ModuleList(nn.Conv1d(d, d, 3, padding=1) for _ in range(config.reach))
        self.out = nn.Linear(d, config.controls)
        for layer in self.pair:
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        self.register_buffer("unit", torch.ones(len(config.axes)))

    def forward(self, pictures: Tensor) -> Tensor:
        b, t = pictures.shape[:2]
        small = self._at_half_its_size(pictures.flatten(0, 1)).unflatten(0, (b, t))
        before, after = small[:, :-1].flatten(0, 1), small[:, 1:].flatten(0, 1)
        x = self.pair(seen(before, after).contiguous(memory_format=torch.channels_last))
        x = rearrange(x, "(b t) d -> b d t", b=b)
        for layer in self.around:
            x = x + layer(F.relu(x))
        out = self.out(F.relu(rearrange(x, "b d t -> b t d"))).float()
        buttons, axes = out.split([len(self.config.buttons), len(self.config.axes)], dim=-1)
        return torch.cat([buttons, axes * self.unit], dim=-1)  # [b t-1 m]

    def _at_half_its_size(self, pictures: Tensor) -> Tensor:
        size = self.config.height, self.config.width
        if tuple(pictures.shape[-2:]) == size:
            return F.avg_pool2d(pictures, HALF)
        half = [side // HALF for side in size]
        return F.interpolate(pictures, size=half, mode="bilinear", antialias=True)


def seen(before: Tensor, after: Tensor) -> Tensor:
    """What is told of a transition: pictures [b 3 h w] -> [b SEEN h/4 w/4].

    How well each block of the picture matches the last one at every shift, in units of the mean
    over shifts; that mean; and the colours of both.
    """
    cost = matching_cost(before.mean(1, keepdim=True), after.mean(1, keepdim=True))
    size = cost.mean(dim=1, keepdim=True) + FAINT
    colours = [F.avg_pool2d(picture, BLOCK) - 0.5 for picture in (before, after)]
    return torch.cat([2 * (cost / size - 1), size.log() + 3, *colours], dim=1)


def matching_cost(before: Tensor, after: Tensor) -> Tensor:
    """Mean absolute difference of blocks for each of SHIFTS, [b 1 h w] -> [b SHIFTS h/4 w/4].

    Block matching: where a block is (dy, dx) further down and right than it was, shift (dy, dx)
    costs least. Edges repeat.
    """
    h, w = after.shape[-2:]
    tall, wide = (max(abs(shift[axis]) for shift in SHIFTS) for axis in (0, 1))
    padded = F.pad(before, (wide, wide, tall, tall), mode="replicate")
    costs = [
        F.avg_pool2d(
            (after - padded[..., tall - dy : tall - dy + h, wide - dx : wide - dx + w]).abs(), BLOCK
        )
        for dy, dx in SHIFTS
    ]
    return torch.cat(costs, dim=1)

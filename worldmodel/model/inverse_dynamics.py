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

SHRINK = 16  # pixels to a side of one place of the last map
SHIFTS = [(dy, dx) for dy in (-1, 0, 1) for dx in (-2, -1, 0, 1, 2)]  # in 8 pixels
GROUPS = 4  # of channels, each compared by itself


@dataclass(frozen=True, kw_only=True)
class InverseDynamicsConfig:
    """Sizes; frames of another size than `height` x `width` are resized to it.

    `buttons` and `axes` are the world's, by name: a model must not be asked about other keys.
    """

    buttons: tuple[str, ...]
    axes: tuple[str, ...] = ()
    height: int = 96
    width: int = 128
    fine: int = 32
    coarse: int = 48
    code: int = 128
    reach: int = 4  # transitions that it looks back and ahead

    def __post_init__(self) -> None:
        if not self.buttons:
            raise UserError("there is nothing to learn: the data has no buttons; record some keys")
        sizes = self.height, self.width, self.fine, self.coarse, self.code
        if min(sizes) < 1 or self.reach < 0:
            raise UserError(f"sizes of an inverse dynamics model must be at least 1, found {self}")
        if self.height % SHRINK or self.width % SHRINK or self.coarse % (2 * GROUPS):
            raise UserError(
                f"height and width must be multiples of {SHRINK} and coarse of {2 * GROUPS}, found "
                f"{self.height}, {self.width}, {self.coarse}; choose others"
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
        f, c, d = config.fine, config.coarse, config.code
        self.eye = nn.Sequential(
            nn.Conv2d(3, f, 8, stride=4, padding=2),
            nn.ReLU(),
            nn.Conv2d(f, c, 3, stride=2, padding=1),
            nn.ReLU(),
        )
        self.pair = nn.Sequential(
            nn.Conv2d(2 * c + GROUPS * len(SHIFTS), c, 3, padding=1),
            Block(c),
            nn.ReLU(),
            nn.Conv2d(c, c, 3, stride=2, padding=1),
            Block(c),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(c * (config.height // SHRINK) * (config.width // SHRINK), d),
        )
        self.around = nn.ModuleList(nn.Conv1d(d, d, 3, padding=1) for _ in range(config.reach))
        self.out = nn.Linear(d, config.controls)
        self.register_buffer("unit", torch.ones(len(config.axes)))

    def forward(self, pictures: Tensor) -> Tensor:
        b, t = pictures.shape[:2]
        flat = self._at_its_size(pictures.flatten(0, 1))
        seen = self.eye(flat.contiguous(memory_format=torch.channels_last))
        seen = seen.unflatten(0, (b, t))  # [b t c h w]
        before, after = seen[:, :-1].flatten(0, 1), seen[:, 1:].flatten(0, 1)
        x = self.pair(torch.cat([after, before, matches(after, before)], dim=1))
        x = rearrange(x, "(b t) d -> b d t", b=b)
        for layer in self.around:
            x = x + layer(F.relu(x))
        out = self.out(F.relu(rearrange(x, "b d t -> b t d"))).float()
        buttons, axes = out.split([len(self.config.buttons), len(self.config.axes)], dim=-1)
        return torch.cat([buttons, axes * self.unit], dim=-1)  # [b t-1 m]

    def _at_its_size(self, pictures: Tensor) -> Tensor:
        size = self.config.height, self.config.width
        if tuple(pictures.shape[-2:]) == size:
            return pictures
        return F.interpolate(pictures, size=size, mode="bilinear", antialias=True)


def matches(after: Tensor, before: Tensor) -> Tensor:
    """How alike each place is to the last frame's places around it (FlowNet, arXiv 1504.06852).

    after, before [b c h w] -> [b GROUPS*SHIFTS h w], products of the first half of the channels,
    averaged over groups of them.
    """
    (h, w), half = after.shape[-2:], after.shape[1] // 2
    tall, wide = (max(abs(shift[axis]) for shift in SHIFTS) for axis in (0, 1))
    after, padded = (
        after[:, :half] * (GROUPS / half),
        F.pad(before[:, :half], (wide, wide, tall, tall)),
    )
    products = []
    for dy, dx in SHIFTS:
        shifted = padded[..., tall + dy : tall + dy + h, wide + dx : wide + dx + w]
        products.append((after * shifted).unflatten(1, (GROUPS, -1)).sum(dim=2))
    return torch.cat(products, dim=1)

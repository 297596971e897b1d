"""Where a picture was taken: position and view angle in a map that the network has learned.

Shapes: b pictures, f features, d code, H W pixels.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from worldmodel.errors import UserError
from worldmodel.model.tokenizer import Block

SHRINK = 16  # pixels to a side of one place of the last map


@dataclass(frozen=True, kw_only=True)
class PoseConfig:
    """Sizes, and the `game` whose map was learned; frames of another size are resized."""

    game: str
    height: int = 96
    width: int = 128
    features: int = 48
    code: int = 256

    def __post_init__(self) -> None:
        if min(self.height, self.width, self.features, self.code) < 1:
            raise UserError(f"sizes of a pose regressor must be at least 1, found {self}")
        if self.height % SHRINK or self.width % SHRINK:
            raise UserError(
                f"height and width must be multiples of {SHRINK}, found {self.height} and "
                f"{self.width}; choose others"
            )


class PoseRegressor(nn.Module):
    """pose(pictures [b 3 H W] in 0..1) -> [b 4]: x, y in standard units, cosine, sine."""

    middle: Tensor  # [2], of the map, in its units
    extent: Tensor  # [2], standard deviation of positions

    def __init__(self, config: PoseConfig) -> None:
        super().__init__()
        self.config = config
        f, places = config.features, (config.height // SHRINK) * (config.width // SHRINK)
        self.layers = nn.Sequential(
            nn.Conv2d(3, f, 8, stride=4, padding=2),
            nn.ReLU(),
            nn.Conv2d(f, f, 3, stride=2, padding=1),
            Block(f),
            nn.ReLU(),
            nn.Conv2d(f, f, 3, stride=2, padding=1),
            Block(f),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(f * places, config.code),
            nn.ReLU(),
            nn.Linear(config.code, 4),
        )
        for layer in self.layers:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        self.register_buffer("middle", torch.zeros(2))
        self.register_buffer("extent", torch.ones(2))

    def forward(self, pictures: Tensor) -> Tensor:
        size = self.config.height, self.config.width
        if tuple(pictures.shape[-2:]) != size:
            pictures = F.interpolate(pictures, size=size, mode="bilinear", antialias=True)
        return self.layers(pictures.contiguous(memory_format=torch.channels_last) * 4 - 2).float()

    def poses(self, pictures: Tensor) -> Tensor:
        """[b 3]: x and y in the map's units, and the angle in degrees, counter-clockwise."""
        x = self(pictures)
        angle = torch.rad2deg(torch.atan2(x[:, 3], x[:, 2])) % 360
        return torch.cat([x[:, :2] * self.extent + self.middle, angle[:, None]], dim=1)


def pose_errors(a: Tensor, b: Tensor) -> Tensor:
    """Distance in map units and angle in degrees, 0 to 180, between poses [... 3]: [... 2]."""
    apart = (a[..., :2] - b[..., :2]).square().sum(-1).sqrt()
    turned = ((a[..., 2] - b[..., 2] + 180) % 360 - 180).abs()
    return torch.stack([apart, turned], dim=-1)

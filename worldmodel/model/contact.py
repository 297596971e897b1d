"""Contact: walls and floors hold the player's figure.

A flow that goes a little too far carries the figure into a wall, and from within nothing tells it
to stop. As in a game's own collisions the picture is moved first and put right then: a small
network looks at what is around the figure in the moved picture, says by how many pixels the figure
has sunk into what it cannot pass, and the flow of everything else is taken back by that.
Shapes: b pictures, H W pixels, h' w' flow vectors.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Window = tuple[int, int, int, int]  # top, left, height and width in pixels

CHANNELS = 24, 32, 48  # of its convolutions, each of which halves the window
HIDDEN = 64
SLACK = 0.5  # pixels of sinking that are let be: what is seen where nothing sinks is mostly less


class Contact(nn.Module):
    """contact(pictures [b 3 height width]) -> how far the figure has sunk, x and y [b 2] in pixels.

    Positive is to the right and downwards. The pictures are what `window` shows of whole ones.
    """

    stays: Tensor  # [1 1 H W], the share to which each place belongs to the figure

    def __init__(self, window: Window, size: tuple[int, int]) -> None:
        super().__init__()
        self.window, self.size = window, size
        layers, inputs, side = [], 3, window[2:]
        for features in CHANNELS:
            layers += [nn.Conv2d(inputs, features, 3, stride=2, padding=1), nn.ReLU()]
            inputs, side = features, tuple(-(-n // 2) for n in side)
        self.layers = nn.Sequential(
            *layers, nn.Flatten(), nn.Linear(inputs * side[0] * side[1], HIDDEN), nn.ReLU(),
            nn.Linear(HIDDEN, 2),
        )  # fmt: skip
        self.register_buffer("stays", torch.zeros(1, 1, *size))

    def forward(self, pictures: Tensor) -> Tensor:
        return self.layers(pictures * 2 - 1)

    def shown(self, pictures: Tensor) -> Tensor:
        """What the window shows of pictures [b c H W]."""
        top, left, height, width = self.window
        return pictures[:, :, top : top + height, left : left + width]

    def back(self, shown: Tensor) -> Tensor:
        """How far pictures of which this is `shown` [b 3 height width] have to come back, x and y
        [b 2 1 1] in half pictures."""
        height, width = self.size
        sunk = self(shown)
        half = sunk.new_tensor([width / 2, height / 2])
        return (sunk.sign() * F.relu(sunk.abs() - SLACK) / half)[..., None, None]


def window_around(stays: Tensor, margin: int) -> Window:
    """The window that shows what stays [1 1 H W] and so many pixels around it; none where nothing
    does."""
    places = (stays[0, 0] > 0.5).nonzero()
    if not len(places):
        return 0, 0, 0, 0
    size = torch.tensor(stays.shape[-2:])
    first = (places.amin(dim=0) - margin).clamp_min(0)
    last = torch.minimum(places.amax(dim=0) + 1 + margin, size)
    return (*first.tolist(), *(last - first).tolist())

"""Off-screen memory: what has left the picture is kept around it, and comes back with it.

A player who jumps loses sight of the ground and lands on it again; one who looks left and right
again expects the wall that was there. So the last picture lies in the middle of a larger one, and
the flow moves all of it, on beyond the picture's edges as it is at them. What comes into view has
to be dreamed only where nobody has seen it yet.
Shapes: b pictures, H W pixels of the picture, H' W' of the whole, h' w' flow vectors.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from worldmodel.model.detail import sharpened
from worldmodel.model.warp import centres, inside, sampled

Margin = tuple[int, int]  # pixels above and below, pixels left and right


def nothing(like: Tensor, size: tuple[int, int], margin: Margin) -> Tensor:
    """The whole [b 4 H' W'] of b players who have seen nothing yet; `like` is [b ...] of them.

    Its last channel says which places are known, 0 or 1.
    """
    height, width = (pixels + 2 * beside for pixels, beside in zip(size, margin, strict=True))
    return like.new_zeros(len(like), 4, height, width)


def around(picture: Tensor, whole: Tensor, margin: Margin) -> Tensor:
    """The whole [b 4 H' W'] with a new picture [b 3 H W] in its middle.

    Unknown places take the colours of the picture's edge, as if it went on so.
    """
    known = torch.ones_like(picture[:, :1])
    unknown = torch.cat([picture, 0 * known], dim=1)
    edges = F.pad(unknown, (margin[1], margin[1], margin[0], margin[0]), mode="replicate")
    found = torch.where(whole[:, 3:] > 0, whole, edges)
    middle(found, margin).copy_(torch.cat([picture, known], dim=1))
    return found


def middle(whole: Tensor, margin: Margin) -> Tensor:
    """The part of a whole [b c H' W'] that is in view [b c H W]."""
    down, aside = margin
    return whole[..., down : whole.shape[-2] - down, aside : whole.shape[-1] - aside]


def sources(flow: Tensor, size: tuple[int, int], margin: Margin) -> Tensor:
    """Where the pixels of a whole come from, x and y [b 2 H' W'] in -1..1 of the whole, by the flow
    [b 2 h' w'] of the picture of `size` in its middle."""
    columns, rows = (
        beside * cells // pixels
        for beside, cells, pixels in zip(margin[::-1], flow.shape[:-3:-1], size[::-1], strict=True)
    )
    wide = F.pad(flow, (columns, columns, rows, rows), mode="replicate")
    height, width = (pixels + 2 * beside for pixels, beside in zip(size, margin, strict=True))
    share = torch.tensor([size[1] / width, size[0] / height], device=flow.device).view(1, 2, 1, 1)
    return centres(height, width).to(flow.device) + share * F.interpolate(
        wide, size=(height, width), mode="bilinear"
    )


def moved(whole: Tensor, at: Tensor, *, sharply: bool) -> Tensor:
    """A whole [b 4 H' W'] moved: its pixels come from `at` [b 2 H' W']."""
    linear = sampled(whole, at)
    known = (linear[:, 3:] >= 0.5).to(whole.dtype) * inside(at)
    colours = sharpened(linear[:, :3], whole[:, :3], at) if sharply else linear[:, :3]
    return torch.cat([colours, known], dim=1)

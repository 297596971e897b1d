"""Figure: the player's figure and what lies behind it are two layers, each moved by its own flow.

A figure that stays on the screen is drawn over a picture that moves. Moved along one smooth flow it
takes a rim of what it stood before along and leaves pieces of itself behind, which are carried on
from frame to frame. So it is lifted off before the picture is moved, and put back after that (cf.
Wang and Adelson, Representing moving images with layers, 1994). What it hides was in the picture
before it came to hide it: the off-screen memory (worldmodel.model.offscreen) keeps that as well.
Shapes: b pictures, H W pixels, h' w' flow vectors; `stays` [1 1 H W] is the share to which each
place belongs to the figure.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from worldmodel.model.tokenizer import PATCH
from worldmodel.model.warp import enlarged, shrunk

AROUND = 4  # flow vectors to each side from which that behind the figure is told
QUITE = 0.4  # distance of two colours, in 0..1 each, at which the figure looks otherwise
ALIKE, UNLIKE = 0.03, 0.09  # distance of two brightnesses, in 0..1: the same thing, and another


def lifted(picture: Tensor, kept: Tensor, stays: Tensor) -> tuple[Tensor, Tensor]:
    """A picture [b 3 H W] without its figure [b 4 H W], and the figure [b 4 H W].

    `kept` [b 4 H W] is what has been seen of what lies behind it, in its last channel whether it
    has; where nobody has, it is guessed from around. The figure's last channel is its share of each
    place: all of what stays for certain; of what may, as the figure moves its limbs, as much as
    differs from what lies behind.
    """
    near = beside(stays)
    clear = torch.cat([picture * (1 - near), (1 - near).expand(len(picture), -1, -1, -1)], dim=1)
    grid = tuple(pixels // PATCH for pixels in picture.shape[-2:])
    wide = F.avg_pool2d(shrunk(clear, grid), 3, 1, 1)
    guess = enlarged(wide[:, :3] / wide[:, 3:].clamp_min(1e-6), tuple(picture.shape[-2:]))
    seen = (kept[:, 3:] > 0).to(picture.dtype)
    behind = guess + seen * (kept[:, :3] - guess)
    apart = (picture - behind).abs().mean(dim=1, keepdim=True)
    other = seen * ((apart - ALIKE) / (UNLIKE - ALIKE)).clamp(0, 1) + (1 - seen) * stays
    share = torch.where(stays >= 1, 1.0, torch.where(stays > 0, other, 0.0))
    there = torch.cat([picture + near * (behind - picture), 1 - near + near * kept[:, 3:]], dim=1)
    return there, torch.cat([picture, share], dim=1)


def filled(pictures: Tensor, stays: Tensor) -> Tensor:
    """Pictures [b 3 H W] without their figure: in its place is what lies beside it or above, where
    what is next to the figure goes on best into it."""
    near = beside(stays)
    rim = F.max_pool2d(near, 5, 1, 2) - near
    rows, columns = (near[0, 0].any(dim=axis).nonzero() for axis in (1, 0))
    height, width = (int(x.max() - x.min()) + 1 for x in (rows, columns))
    from_where = (height, 0), (0, width), (0, -width)  # above, to the left and to the right
    others = torch.stack([pictures.roll(step, dims=(-2, -1)) for step in from_where])
    apart = ((others - pictures).square() * rim).sum(dim=(2, 3, 4))
    best = others[apart.argmin(dim=0), torch.arange(len(pictures), device=pictures.device)]
    return pictures + near * (best - pictures)


def put_back(moved: Tensor, figure: Tensor) -> Tensor:
    """Pictures [b 4 H W], the last channel what of them is known, with a figure [b 4 H W] on."""
    share = figure[:, 3:]
    drawn = torch.cat([figure[:, :3], torch.ones_like(share)], dim=1)
    return moved + share * (drawn - moved)


def held(picture: Tensor, decoded: Tensor, moved: Tensor, stays: Tensor) -> Tensor:
    """A picture [b 3 H W] whose figure, but for limbs that move, is that of the `moved` one, and
    changes to what was `decoded` only if that is quite another: before a sky of nearly his colour a
    player would fade away."""
    apart = (moved - decoded).square().sum(dim=1, keepdim=True)
    own = decoded + torch.exp(-apart / (2 * QUITE**2)) * (moved - decoded)
    return picture + (stays >= 1).to(picture.dtype) * (own - picture)


def behind(flow: Tensor, stays: Tensor) -> Tensor:
    """A flow [b 2 h' w'] of what lies behind the figure: where it is, and beside it, that from
    around, as a network's flow is smooth and there half the figure's own."""
    near = F.max_pool2d(F.adaptive_max_pool2d(beside(stays), flow.shape[-2:]), 3, 1, 1)
    away = 1 - near
    found, share = (
        F.avg_pool2d(F.pad(x, (AROUND,) * 4), 2 * AROUND + 1, 1) for x in (flow * away, away)
    )
    return flow * away + near * found / share.clamp_min(1e-6)


def beside(stays: Tensor) -> Tensor:
    """Places [1 1 H W] of the figure and, as its edge has something of its colours, those next to
    it, 0 or 1."""
    return F.max_pool2d((stays > 0).to(stays.dtype), 3, 1, 1)

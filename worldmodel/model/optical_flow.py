"""Optical flow: how a picture that is there came out of the one before, measured.

Lucas and Kanade's method (1981), coarse to fine (Bouguet 2001): around every place the step is
found that best explains what is still different there. It sees how fast the view really moves,
which keys alone do not say: whether a wall is in the way, and what is near and what is far.
Shapes: b pictures, H W pixels, h' w' flow vectors.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from worldmodel.model.warp import centres, sampled

COARSEST = 4  # halvings of the picture: of 128 pixels 8 are left
FINEST = 1  # flow has a vector for every four pixels, so that the last halving adds nothing
STEPS = 4  # at each size
AROUND = 2  # places to each side that a step explains
SMOOTH = 2  # places to each side over which the flow is averaged after each step
RIDGE = 1e-3  # squared slope at which a place is half believed
LONGEST = 1.5  # places that one step moves at most
LARGE = 64  # pixels to a side from which on half of them tell the flow roughly


def measured(before: Tensor, after: Tensor, size: tuple[int, int]) -> Tensor:
    """The flow [b 2 h' w'] of `size` that takes `after` [b 3 H W] from `before`, in half pictures,
    as `Motion` has it."""
    flow = before.new_zeros(len(before), 2, 1, 1)
    for halvings in reversed(range(FINEST, COARSEST + 1)):
        old, new = (F.avg_pool2d(picture, 2**halvings) for picture in (before, after))
        flow = F.interpolate(flow, size=new.shape[-2:], mode="bilinear")
        for _ in range(STEPS):
            flow = _mean(flow + _step(old, new, flow), SMOOTH)
    return F.adaptive_avg_pool2d(flow, size)


def roughly_measured(before: Tensor, after: Tensor, size: tuple[int, int]) -> Tensor:
    """`measured` on pictures of half the size where they are large: five times as fast."""
    if min(before.shape[-2:]) >= LARGE:
        before, after = (F.avg_pool2d(picture, 2) for picture in (before, after))
    return measured(before, after, size)


def _step(old: Tensor, new: Tensor, flow: Tensor) -> Tensor:
    """What is to be added to the flow [b 2 h w], which `old` moved along it lacks of `new`."""
    height, width = new.shape[-2:]
    at = centres(height, width).to(flow.device) + flow
    guess = sampled(old, at)
    missing = (new - guess) * (at.abs() <= 1).all(dim=1, keepdim=True)
    wide = F.pad(guess, (1, 1, 1, 1), mode="replicate")
    x = (wide[..., 1:-1, 2:] - wide[..., 1:-1, :-2]) / 2
    y = (wide[..., 2:, 1:-1] - wide[..., :-2, 1:-1]) / 2
    products = torch.stack([x * x, x * y, y * y, x * missing, y * missing], dim=1).sum(dim=2)
    xx, xy, yy, xm, ym = _mean(products, AROUND).unbind(1)
    xx, yy = xx + RIDGE, yy + RIDGE
    step = torch.stack([yy * xm - xy * ym, xx * ym - xy * xm], dim=1) / (xx * yy - xy * xy)[:, None]
    half = flow.new_tensor([width / 2, height / 2]).view(1, 2, 1, 1)
    return step.clamp(-LONGEST, LONGEST) / half


def _mean(x: Tensor, reach: int) -> Tensor:
    """The mean of places around each of [b c h w]; edges repeat."""
    wide = F.pad(x, (reach,) * 4, mode="replicate")
    return F.avg_pool2d(wide, 2 * reach + 1, stride=1)

"""Off-screen memory: what has left the picture is kept around it, and comes back with it.

A player who jumps loses sight of the ground and lands on it again; one who looks left and right
again expects the wall that was there. So the last picture lies in the middle of a larger one, from
which the flow takes the next one. What is not in view moves along as one piece, by the median of
the flow and by whole pixels only, so that it is still sharp after a hundred frames; what is left
over is made up for later. What comes into view has to be dreamed only where nobody has seen it yet.
One piece is right for a level that scrolls and for a head that turns. For one who walks, near
things pass far ones, and what was beside him is soon somewhere else: it can be forgotten.
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

    Its last channel says which places are known, 0 or, the more certain, one half to 1.
    """
    height, width = (pixels + 2 * beside for pixels, beside in zip(size, margin, strict=True))
    return like.new_zeros(len(like), 4, height, width)


def around(picture: Tensor, whole: Tensor, margin: Margin) -> Tensor:
    """The whole [b 4 H' W'] with a new picture [b 3 H W] in its middle, all of it known, or one
    [b 4 H W] that tells what is.

    Unknown places take the colours of the picture's edge, as if it went on so.
    """
    down, aside = margin
    known = picture[:, 3:] if picture.shape[1] > 3 else torch.ones_like(picture[:, :1])
    view = F.pad(known, (aside, aside, down, down))
    unseen = torch.cat([_widened(_widened(picture[:, :3], aside, -1), down, -2), view], dim=1)
    return torch.where((whole[:, 3:] > 0) & (view == 0), whole, unseen)


def _widened(picture: Tensor, by: int, axis: int) -> Tensor:
    """A picture with its edges `by` times more; by `F.pad` OpenVINO takes thrice as long."""
    if not by:
        return picture
    sizes = [by if i == axis % 4 else size for i, size in enumerate(picture.shape)]
    first, last = (picture.narrow(axis, at, 1) for at in (0, picture.shape[axis] - 1))
    return torch.cat([first.expand(sizes), picture, last.expand(sizes)], dim=axis)


def middle(whole: Tensor, margin: Margin) -> Tensor:
    """The part of a whole [b c H' W'] that is in view [b c H W]."""
    down, aside = margin
    return whole[..., down : whole.shape[-2] - down, aside : whole.shape[-1] - aside]


def beside(whole: Tensor, old: Tensor, margin: Margin) -> Tensor:
    """A whole [b 4 H' W'], but what is in view as it is in an `old` one."""
    found = whole.clone()
    middle(found, margin).copy_(middle(old, margin))
    return found


def moved(whole: Tensor, at: Tensor, margin: Margin, *, sharply: bool) -> Tensor:
    """The next view [b 4 H W] of a whole [b 4 H' W']: its pixels come from `at` [b 2 H W], x and y
    in -1..1 of the picture that is now in the middle."""
    height, width = whole.shape[-2:]
    share = torch.tensor([1 - 2 * margin[1] / width, 1 - 2 * margin[0] / height], device=at.device)
    at = share.view(1, 2, 1, 1) * at
    linear = sampled(whole, at)
    known = (linear[:, 3:] >= 0.5).to(whole.dtype) * inside(at)
    colours = sharpened(linear[:, :3], whole[:, :3], at) if sharply else linear[:, :3]
    return torch.cat([colours, known], dim=1)


def turns(size: tuple[int, int], ratio: float) -> Tensor:
    """What a turned or pushed camera does to a picture of such a `ratio` of height to width, at the
    places of a flow of `size` h' w': for x and for y orthonormal rows [2 3 h'w'] that span it.

    A turn moves x by 1 + x^2 and y by xy, a nod y by 1 + y^2 and x by xy, in focal lengths (Horn,
    Robot Vision, 1986, section 17.2).
    """
    x, y = centres(*size)[0].flatten(1)
    y = ratio * y
    bases = [torch.stack([torch.ones_like(x), own * own, x * y], dim=1) for own in (x, y)]
    return torch.stack([torch.linalg.qr(basis).Q.T for basis in bases])


def astray(way: Tensor, turns: Tensor) -> Tensor:
    """By how many pixels [b] a flow in pixels [b 2 h' w'] departs from any turn, on average."""
    way = way.flatten(2)
    along = torch.einsum("b v n, v k n -> b v k", way, turns)
    return (way - torch.einsum("b v k, v k n -> b v n", along, turns)).norm(dim=1).mean(dim=1)


def doubted(whole: Tensor, share: Tensor) -> Tensor:
    """A whole of which such a share [b] of what can be believed is used up; what was 1 is forgotten
    when all is."""
    known = whole[:, 3:] - share.view(-1, 1, 1, 1) / 2
    return torch.cat([whole[:, :3], torch.where(known >= 0.5, known, 0.0)], dim=1)


def shifted(whole: Tensor, way: Tensor) -> tuple[Tensor, Tensor]:
    """A whole [b 4 H' W'] whose places come from so many pixels, x and y [b 2], further on; and
    what is left over [b 2] when these are rounded. What comes in from its edges is not known."""
    steps, limits = way.round(), whole.shape[:-3:-1]
    found = []
    for each, step in zip(whole, steps.tolist(), strict=True):
        x, y = (int(min(max(n, -size), size)) for n, size in zip(step, limits, strict=True))
        found.append(F.pad(each, (-x, x, -y, y)))
    return found[0][None] if len(found) == 1 else torch.stack(found), way - steps

"""Scrolling: a level that passes by a player who stays on the screen moves as one piece.

A network's flow is nearly that of one piece, but bends a little, and after fifty frames floors
slope and walls lean; and where it does not know whether the player has left the ground, one part of
a wall rises and another stays. So all of it goes one way, and what moves by itself is the
transformer's to dream. What moves as one piece need not be sampled anew at every frame, which blurs
it: it is kept as it was first seen, moved by whole pixels with the off-screen memory
(worldmodel.model.offscreen) that it lies in the middle of, and sampled once to be shown. The
player's figure is a layer of its own (worldmodel.model.figure), and held by what it cannot pass
(worldmodel.model.contact).
Shapes: b pictures, H W pixels, H' W' of the whole, h' w' flow vectors.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from worldmodel.model import figure, offscreen
from worldmodel.model.contact import Contact
from worldmodel.model.detail import nudged, other, with_detail
from worldmodel.model.offscreen import Margin
from worldmodel.model.tokenizer import PATCH
from worldmodel.model.warp import enlarged, shrunk, sources


class Scrolled(NamedTuple):
    """A picture moved on."""

    view: Tensor  # [b 4 H W], with the figure; the last channel is what is known
    whole: Tensor  # [b 4 H' W'], what it was moved from
    behind: Tensor  # [b 2 h' w'], the flow of what lies behind the figure
    flow: Tensor  # [b 2 h' w'], that of all
    way: Tensor  # [b 2], that of the whole in pixels


def scrolled(
    contact: Contact, margin: Margin, picture: Tensor, around: Tensor, lag: Tensor, flow: Tensor
) -> Scrolled:
    """A picture [b 3 H W] moved along a flow [b 2 h' w']; what lies `around` it [b 4 H' W'], and
    what is kept of it in the middle of that, lag behind by `lag` pixels [b 2]."""
    stays, size = contact.stays, contact.size
    half = flow.new_tensor([size[1] / 2, size[0] / 2])
    kept = offscreen.middle(around, margin)
    there, drawn = figure.lifted(picture, kept, stays)
    near = figure.beside(stays)
    held = (kept[:, 3:] * (1 - near)).amax(dim=(2, 3), keepdim=True) > 0
    lag = lag * held[..., 0, 0]  # a frame that was not dreamed lags behind nothing
    late = (lag / half)[..., None, None]
    whole = offscreen.around(renewed(kept, there, lag, near), around, margin)
    behind, way = as_one(figure.behind(flow, stays), there, 1 - near)
    at = contact.shown(sources(behind + late, size))
    touched = offscreen.moved(whole, at, margin, sharply=False)
    back = contact.back(figure.put_back(touched, contact.shown(drawn))[:, :3])
    behind, way = behind - back, way - back[..., 0, 0] * half
    view = offscreen.moved(whole, sources(behind + late, size), margin, sharply=True)
    own = F.adaptive_avg_pool2d(stays, flow.shape[-2:])
    return Scrolled(
        figure.put_back(view, drawn), whole, behind, behind + own * (flow - behind), way
    )


def renewed(kept: Tensor, picture: Tensor, lag: Tensor, near: Tensor) -> Tensor:
    """What is kept [b 4 H W] of pictures, which lags behind by `lag` pixels [b 2], after a new one
    [b 4 H W]: its colours and shapes where they are other ones, and the detail of what is kept
    where both agree; `near` the figure [1 1 H W], which hides it, what is kept."""
    size = tuple(picture.shape[-2:])
    grid = tuple(pixels // PATCH for pixels in size)
    anew = nudged(picture[:, :3], -lag)
    seen = (kept[:, 3:] > 0).to(kept.dtype)
    known = shrunk(seen, grid)
    there = with_detail(anew, kept[:, :3], known.flatten(1), grid)
    shift = shrunk((anew - kept[:, :3]) * seen, grid) / known.clamp_min(1e-6)
    change = torch.where(seen > 0, enlarged(other(shift), size) * (1 - near), 1.0)
    return torch.cat([kept[:, :3] + change * (there - kept[:, :3]), picture[:, 3:]], dim=1)


def as_one(flow: Tensor, picture: Tensor, clear: Tensor) -> tuple[Tensor, Tensor]:
    """A flow [b 2 h' w'] as the way of the whole, everywhere, and this way [b 2] in pixels: the
    median, in x and in y, over places that tell. A stripe that is pushed along itself seems to
    stand still, so a place counts by the square of how much the `picture` [b 3 H W] changes there
    in that direction, where nothing hides it (`clear` [1 1 H W])."""
    height, width = picture.shape[-2:]
    half = flow.new_tensor([width / 2, height / 2]).view(1, 2, 1, 1)
    aside = F.pad(picture[:, :3, :, 1:] - picture[:, :3, :, :-1], (0, 1))
    down = F.pad(picture[:, :3, 1:] - picture[:, :3, :-1], (0, 0, 0, 1))
    changes = torch.stack([aside.abs().mean(dim=1), down.abs().mean(dim=1)], dim=1) * clear
    tells = shrunk(changes, tuple(flow.shape[-2:])).flatten(2).square() + 1e-8
    pixels = flow * half
    ways, order = pixels.flatten(2).sort(dim=-1)
    share = tells.gather(2, order).cumsum(dim=-1)
    middle = (share < share[..., -1:] / 2).sum(dim=-1, keepdim=True)
    way = ways.gather(2, middle)[..., None]
    return (way / half).expand_as(flow), way[..., 0, 0]


def seen_anew(whole: Tensor, stays: Tensor, margin: Margin) -> Tensor:
    """What lies around a picture [b 4 H' W'] that was not dreamed: nothing is kept of it but what
    lies behind the figure."""
    found = whole.clone()
    offscreen.middle(found, margin)[:, 3:] *= figure.beside(stays)
    return found

"""Warping: pictures sampled along a flow.

Places are x and y in -1..1, from edge to edge of a picture. Shapes: b pictures, H W pixels,
h' w' flow vectors.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def sources(flow: Tensor, size: tuple[int, int]) -> Tensor:
    """Where the pixels of a picture of `size` come from, x and y [b 2 H W] in -1..1, by `flow`."""
    flow = enlarged(flow, size)
    return centres(*size).to(flow.device) + flow


def enlarged(x: Tensor, size: tuple[int, int]) -> Tensor:
    """`x` [b c h w] at another `size`, bilinearly.

    For a graph (worldmodel.play.graph) as two matrix products, for OpenVINO eight times faster.
    """
    if not torch.jit.is_tracing():
        return F.interpolate(x, size=size, mode="bilinear")
    rows, columns = (
        F.interpolate(torch.eye(n, dtype=x.dtype, device=x.device)[None], m, mode="linear")[0]
        for n, m in zip(x.shape[-2:], size, strict=True)
    )
    return rows.T @ x @ columns


def shrunk(x: Tensor, size: tuple[int, int]) -> Tensor:
    """`x` [b c h w] at a smaller `size`, which divides its own: the mean of each part.

    For a graph as two matrix products too: OpenVINO lays pictures out anew before it pools them.
    """
    if not torch.jit.is_tracing():
        return F.adaptive_avg_pool2d(x, size)
    rows, columns = (
        torch.eye(n, dtype=x.dtype, device=x.device).repeat_interleave(m // n, dim=1) / (m // n)
        for n, m in zip(size, x.shape[-2:], strict=True)
    )
    return rows @ (x @ columns.T)


def inside(at: Tensor) -> Tensor:
    """Which of the pixels that come from `at` [b 2 H W] were in the picture, 0 or 1 [b 1 H W]."""
    return (at.abs() <= 1).all(dim=1, keepdim=True).float()


def bent(at: Tensor) -> Tensor:
    """How much a flow bends [b 1 H W], whose sources are `at` [b 2 H W]: the norm of its
    derivatives in both directions, in pixels a pixel.
    """
    height, width = at.shape[-2:]
    half = torch.tensor([width / 2, height / 2], device=at.device).view(1, 2, 1, 1)
    way = F.pad((at - centres(height, width).to(at.device)) * half, (1, 1, 1, 1), mode="replicate")
    aside = (way[..., 1:-1, 2:] - way[..., 1:-1, :-2]) / 2
    down = (way[..., 2:, 1:-1] - way[..., :-2, 1:-1]) / 2
    return torch.cat([aside, down], dim=1).square().sum(dim=1, keepdim=True).sqrt()


def sampled(pictures: Tensor, at: Tensor) -> Tensor:
    """Pictures [b 3 H W] at the places `at` [b 2 H W], bilinearly; edges repeat."""
    return F.grid_sample(pictures, at.movedim(1, -1), align_corners=False, padding_mode="border")


def moved(pictures: Tensor, flow: Tensor) -> Tensor:
    """Pictures [b 3 H W] sampled where `flow` [b 2 h' w'] points."""
    return sampled(pictures, sources(flow, tuple(pictures.shape[-2:])))


def centres(height: int, width: int) -> Tensor:
    """x and y [1 2 height width] of the middles of a grid's cells, each in -1..1."""
    y = (torch.arange(height) + 0.5) / height * 2 - 1
    x = (torch.arange(width) + 0.5) / width * 2 - 1
    return torch.stack([x.expand(height, width), y[:, None].expand(height, width)])[None]

"""Detail: what was sharp in the last picture stays sharp in the next one.

A decoder gives back two thirds of a texture, and a dream goes through it at every frame. So what is
shown takes its colours and shapes from the decoded latents, and its fine detail from the last
picture, moved along the flow, where that was in the picture and both agree. Video codecs predict
their pictures in this way (motion compensation, Lu et al., arXiv 1812.00101, section 3.3); here
what is left over is dreamed.
Shapes: b pictures, n latents of a frame, h w latent grid, H W pixels.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from worldmodel.model.warp import enlarged, sampled, shrunk

SAME, OTHER = 0.15, 0.3  # distance of two colours up to which they are one, from which another
AGREE = 0.2  # distance of two colours, in 0..1 each, at which detail is given up
SHARP = 2 / 3  # of PyTorch's cubic kernel (a = -0.75), and the rest linear


def with_detail(
    decoded: Tensor, moved: Tensor, known: Tensor, grid: tuple[int, int], *, steady: bool = False
) -> Tensor:
    """Decoded pictures [b 3 H W] with the detail of moved ones, where `known` [b n] is 1; and, if
    they are to be `steady`, with their colours as well, where these are nearly the same."""
    size = decoded.shape[-2:]
    coarse, before = (shrunk(picture, grid) for picture in (decoded, moved))
    known = (known >= 1).to(decoded.dtype).view(-1, 1, *grid)
    shift = coarse - before
    if steady:
        shift = shift * other(shift)
    shift, known = (enlarged(x, size) for x in (shift, known))
    detailed = moved + shift
    apart = (shift.square() + (detailed - decoded).square()).sum(dim=1, keepdim=True)
    weight = known * torch.exp(-apart / (2 * AGREE**2))
    return (decoded + weight * (detailed - decoded)).clamp(0, 1)


def other(shift: Tensor) -> Tensor:
    """How much colours [b 1 h w] that differ by so much [b 3 h w] are other ones, 0 to 1."""
    return ((shift.norm(dim=1, keepdim=True) - SAME) / (OTHER - SAME)).clamp(0, 1)


def sampled_sharply(pictures: Tensor, at: Tensor) -> Tensor:
    """Pictures [b 3 H W] at the places `at` [b 2 H W] by a cubic kernel; edges repeat.

    Half way between two pixels it is Catmull and Rom's, elsewhere a little softer. Of all cubic
    kernels (Keys 1981) that is the one that neither blurs nor sharpens large shapes, however often
    it is applied.
    """
    return sharpened(sampled(pictures, at), pictures, at)


def sharpened(linear: Tensor, pictures: Tensor, at: Tensor) -> Tensor:
    """`sampled_sharply` for pictures that have been sampled `linear`ly."""
    cubic = F.grid_sample(pictures, at.movedim(1, -1), "bicubic", "border", align_corners=False)
    return (linear + SHARP * (cubic - linear)).clamp(0, 1)


def nudged(pictures: Tensor, by: Tensor) -> Tensor:
    """Pictures [b 3 H W] whose places all come from `by` pixels [b 2], at most one, to the right
    and downwards; edges repeat. As all goes one way, Catmull and Rom's cubic is a matrix product
    along rows and one along columns."""
    height, width = pictures.shape[-2:]
    rows, columns = _taps(height, by[:, 1]), _taps(width, by[:, 0])
    return (rows[:, None] @ pictures @ columns.transpose(1, 2)[:, None]).clamp(0, 1)


def _taps(size: int, by: Tensor) -> Tensor:
    """What each of `size` pixels takes of each [b size size], if it comes from `by` [b] further."""
    at = torch.arange(size, device=by.device) + by[:, None]
    far = (at[..., None] - torch.arange(-2, size + 2, device=by.device)).abs()
    near = ((1.5 * far - 2.5) * far) * far + 1
    weights = torch.where(far < 1, near, ((2.5 - 0.5 * far) * far - 4) * far + 2)
    weights = torch.where(far < 2, weights, 0.0)
    edges = (weights[..., part].sum(dim=-1, keepdim=True) for part in (slice(3), slice(-3, None)))
    first, last = edges
    return torch.cat([first, weights[..., 3:-3], last], dim=-1)

"""Exemplars: recorded pictures, of which new ground is recalled where one fits.

A small network learns where ground and steps may lie, and in what colours; what forty painted
backgrounds look like is more than it can hold, and it answers with a mist in their colours. So new
ground is looked for first in pictures of what was recorded, of whole levels where these scroll
(worldmodel.train.panoramas): at the place where what is known of a window fits best, the recorded
picture goes on from it. Completing a picture from others is old (Hays and Efros, Scene completion
using millions of photographs, 2007), and so is growing one from where it fits (Efros and Leung,
Texture synthesis by non-parametric sampling, 1999).
Shapes: n pictures, of H' W' pixels each, k of them; H W pixels of a window, g pieces of a picture,
d numbers of a piece; pictures made `SMALL` or `COARSE` times smaller are h w.
"""

from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from itertools import product
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from PIL import Image
from torch import Tensor, nn

from worldmodel.errors import UserError

QUALITY = 95  # of the pictures as they are kept, of 100: WebP and JPEG of that size harm KID
SMALL, COARSE = 4, 8  # pixels to the side of what counts as one where pictures are compared
PIECE, PIECES = 8, 256  # pixels to the side of a piece of a level, and how many tell what it is
LIKE_IT = 12  # pictures that count as of the same kind of level
SEAM, FARTHER = 24, 0.3  # pixels from what is not known that must fit, and what others count
FITS = 0.3  # mean square difference, all colours together: what is farther is dreamed instead
KIND = 0.6  # what a piece's distance counts beside differences, squared
PLAIN = 0.02  # what steps of colour count: of what fits alike, the plainest is recalled
UNSEEN = 0.06  # what counts that nobody has seen it, and it was guessed from what is near it
CANDIDATES = 8  # places that are looked at closely
REACH = 4  # pixels around them
DREAMS = 32  # of which it is remembered what is like them: some 8 MB each
TOGETHER = 64  # pictures whose pieces are compared at once
NOWHERE = 1e4  # what a place outside of a picture counts


class Alike(NamedTuple):
    """Pictures like an opening, made to be searched."""

    pictures: list[Tensor]  # [k], uint8 [4 H' W']; the last channel is 255 where it was seen
    apart: Tensor  # [k], how unlike it they are, from 0 on
    coarse: Tensor  # [4k 5 h w], begun at four places: colours, their square, what is against it
    spectrum: Tensor  # [4k 5 h w/2+1], complex: the same, by frequencies
    sizes: Tensor  # [4k 2], rows and columns of each that are not beyond its picture


class Exemplars(nn.Module):
    """`count` pictures that are `size` bytes; those like an opening are decoded when it is met."""

    encoded: Tensor  # uint8 [size], AVIF files one after the other
    ends: Tensor  # int64 [n], where each of them ends
    pieces: Tensor  # uint8 [n g d], of each, as far as they are compared with an opening's

    def __init__(self, count: int, size: int) -> None:
        super().__init__()
        numbers = 3 * (PIECE // SMALL) ** 2
        self.register_buffer("encoded", torch.zeros(size, dtype=torch.uint8))
        self.register_buffer("ends", torch.zeros(count, dtype=torch.int64))
        self.register_buffer("pieces", torch.zeros(count, PIECES, numbers, dtype=torch.uint8))
        self._alike: OrderedDict[int, Alike] = OrderedDict()

    @property
    def sizes(self) -> tuple[int, int]:
        """What it was made with: `count` and `size`."""
        return len(self.ends), len(self.encoded)

    def recalled(self, picture: Tensor, known: Tensor, opening: Tensor) -> tuple[Tensor, float]:
        """Of pictures of a level like an `opening` [3 H W] the part [3 H W] that goes on best from
        a `picture` [3 H W] of which so much is `known` [1 H W]; and how far it is from what is
        known: the mean square difference, all colours together."""
        alike = self.alike(opening)
        coarse = F.avg_pool2d(known, COARSE)
        seam = F.max_pool2d(1 - coarse[None], 2 * (SEAM // COARSE) + 1, 1, SEAM // COARSE)[0]
        weight = coarse * torch.where(seam > 0, 1.0, FARTHER)
        weight = weight / weight.sum().clamp_min(1e-6)
        small = F.avg_pool2d(picture * known, COARSE) / coarse.clamp_min(1e-6)
        unknown = (1 - coarse) / (1 - coarse).sum().clamp_min(1e-6)
        kernel = torch.cat([-2 * weight * small, weight, unknown])
        off = sums_at(alike, kernel) + KIND * alike.apart.repeat_interleave(4)[:, None, None]
        least = off.flatten().topk(min(CANDIDATES, off.numel()), largest=False)
        least = least.indices[least.values < NOWHERE]
        fine = F.interpolate(weight[None], scale_factor=COARSE // 2)[0]
        fine, half, found = fine / fine.sum(), F.avg_pool2d(picture, 2), []
        for each, y, x in torch.stack(torch.unravel_index(least, off.shape), dim=1).tolist():
            i, (down, aside) = each // 4, divmod(each % 4, 2)
            at = COARSE * y + SMALL * down, COARSE * x + SMALL * aside
            apart, at = self._closely(alike.pictures[i], at, half, fine, ((0, 0),))
            there = alike.coarse[each, 4, y : y + coarse.shape[1], x : x + coarse.shape[2]]
            against = float((there * unknown[0]).sum() + KIND * alike.apart[i])
            found.append((apart + against, i, at))
        _, i, at = min(found)
        steps = tuple(product((0, 1), (0, 1)))
        apart, (y, x) = self._closely(alike.pictures[i], at, half, fine, steps)
        recorded, (height, width) = alike.pictures[i], picture.shape[1:]
        return recorded[:3, y : y + height, x : x + width].float() / 255, apart

    def _closely(
        self,
        recorded: Tensor,
        at: tuple[int, int],
        half: Tensor,
        weight: Tensor,
        steps: tuple[tuple[int, int], ...],
    ) -> tuple[float, tuple[int, int]]:
        """The least difference of a picture of half the size [3 H/2 W/2] from a `recorded` one
        [4 H' W'] near its place `at`, places counting by their `weight` [1 H/2 W/2]; and where that
        is. Tried are places two pixels apart, begun at each of `steps`."""
        height, width = (2 * n for n in half.shape[1:])
        y, x = (
            min(max(start - REACH, 0), size - length)
            for start, size, length in zip(at, recorded.shape[1:], (height, width), strict=True)
        )
        part = recorded[:3, y : y + height + 2 * REACH, x : x + width + 2 * REACH].float() / 255
        weighed, found = (half * weight).flatten(), []
        own = float(weighed @ half.flatten())
        for down, aside in steps:
            there = F.avg_pool2d(part[:, down:, aside:], 2)
            if there.shape[1] < half.shape[1] or there.shape[2] < half.shape[2]:
                continue  # the picture ends here
            squares, views = (
                each.unfold(-2, half.shape[1], 1).unfold(-2, half.shape[2], 1)
                for each in (there.square().sum(dim=0), there)
            )
            squares = squares.flatten(2) @ weight.flatten()
            off = squares - 2 * views.permute(1, 2, 0, 3, 4).flatten(2) @ weighed + own
            least = int(off.argmin())
            rows, columns = divmod(least, off.shape[1])
            found.append(
                (float(off.flatten()[least]), (y + 2 * rows + down, x + 2 * columns + aside))
            )
        return min(found)

    def alike(self, opening: Tensor) -> Alike:
        """The pictures of a level like an `opening` [3 H W], remembered: by how near the nearest of
        their pieces is to each of its own, in the mean."""
        key = hash(opening.cpu().numpy().tobytes())
        if key not in self._alike:
            own, parts = 255 * pieces_of(opening), self.pieces.split(TOGETHER)
            near = [torch.cdist(own, part.float()).amin(dim=2) for part in parts]
            apart = torch.cat(near).mean(dim=1) / 255
            least = apart.topk(min(LIKE_IT, len(apart)), largest=False)
            with ThreadPoolExecutor() as pool:
                pictures = list(pool.map(self.picture, least.indices.tolist()))
            gaps = least.values - least.values[0]
            coarse, sizes = coarse_of(pictures)
            self._alike[key] = Alike(pictures, gaps, coarse, torch.fft.rfft2(coarse), sizes)
            if len(self._alike) > DREAMS:
                self._alike.popitem(last=False)
        self._alike.move_to_end(key)
        return self._alike[key]

    def picture(self, row: int) -> Tensor:
        """One of them, uint8 [4 H' W']. Raises UserError if it is damaged."""
        try:
            with self._opened(row) as picture:
                found = np.array(picture.convert("RGBA"))
        except (OSError, RuntimeError) as error:  # Pillow tells it so or so
            raise _damaged(error) from None
        return torch.as_tensor(found).movedim(-1, 0).contiguous().to(self.encoded.device)

    def check(self) -> None:
        """Raise UserError unless all can be opened; they are not decoded."""
        try:
            for row in range(len(self.ends)):
                self._opened(row).close()
        except OSError as error:
            raise _damaged(error) from None

    def _opened(self, row: int) -> Image.Image:
        begin = int(self.ends[row - 1]) if row else 0
        file = self.encoded[begin : int(self.ends[row])].cpu().numpy().tobytes()
        return Image.open(BytesIO(file))


def _damaged(error: Exception) -> UserError:
    return UserError(
        f"an exemplar of an outpainter is damaged, or this Pillow reads no AVIF ({error}); "
        "copy the checkpoint again, or install a newer Pillow"
    )


def sums_at(alike: Alike, kernel: Tensor) -> Tensor:
    """The sums [4k h w] of `Alike.coarse`, each weighed by a kernel [5 h w] that begins at that
    place; `NOWHERE` where it reaches beyond a picture. By frequencies, as the kernel is large."""
    size = alike.coarse.shape[-2:]
    seen = (alike.spectrum * torch.fft.rfft2(kernel, s=size).conj()).sum(dim=1)
    rows, columns = (
        torch.arange(n, device=kernel.device) + own <= last[:, None]
        for n, own, last in zip(size, kernel.shape[-2:], alike.sizes.T, strict=True)
    )
    there = rows[:, :, None] & columns[:, None]
    return torch.where(there, torch.fft.irfft2(seen, s=size), NOWHERE)


def coarse_of(pictures: list[Tensor]) -> tuple[Tensor, Tensor]:
    """What `Alike.coarse` and `Alike.sizes` are, of these pictures [4 H' W']."""
    found = []
    for picture in pictures:
        small = F.avg_pool2d(picture.float() / 255, SMALL)
        small, seen = small[:3], small[3:]
        aside, down = F.pad(small.diff(dim=2), (0, 1)), F.pad(small.diff(dim=1), (0, 0, 0, 1))
        steps = (aside.abs() + down.abs()).sum(dim=0, keepdim=True)
        whole = torch.cat([small, PLAIN * steps + UNSEEN * (1 - seen)])
        for y, x in product((0, 1), (0, 1)):
            part = F.avg_pool2d(whole[:, y:, x:], COARSE // SMALL)
            square = part[:3].square().sum(dim=0, keepdim=True)
            found.append(torch.cat([part[:3], square, part[3:]]))
    sizes = torch.tensor([each.shape[1:] for each in found], device=pictures[0].device)
    together = found[0].new_zeros(len(found), 5, *sizes.amax(dim=0))
    for place, each in zip(together, found, strict=True):
        place[:, : each.shape[1], : each.shape[2]] = each
    return together, sizes


def of_pictures(pictures: list[np.ndarray]) -> Exemplars:
    """Exemplars that are these pictures uint8 [H' W' 4]; the last channel says what was seen."""
    files, pieces = [], []
    for picture in pictures:
        colours = torch.as_tensor(picture[..., :3]).movedim(-1, 0)
        pieces.append(evenly(pieces_of(colours.float())).round().to(torch.uint8))
        file = BytesIO()
        Image.fromarray(picture).save(file, "AVIF", quality=QUALITY, subsampling="4:4:4")
        files.append(np.frombuffer(file.getvalue(), np.uint8))
    ends = np.cumsum([len(file) for file in files])
    found = Exemplars(len(files), int(ends[-1]))
    found.encoded.copy_(torch.as_tensor(np.concatenate(files)))
    found.ends.copy_(torch.as_tensor(ends))
    found.pieces.copy_(torch.stack(pieces))
    return found


def pieces_of(picture: Tensor) -> Tensor:
    """A picture [3 H' W'] as small pieces [g d]."""
    side = PIECE // SMALL
    small = F.avg_pool2d(picture, SMALL)
    height, width = (n // side * side for n in small.shape[1:])
    small = small[:, :height, :width]
    return rearrange(small, "c (h p) (w q) -> (h w) (c p q)", p=side, q=side)


def evenly(pieces: Tensor) -> Tensor:
    """`PIECES` of some pieces [g d], evenly drawn."""
    rows = torch.linspace(0, len(pieces) - 1, PIECES, device=pieces.device).round().long()
    return pieces[rows]

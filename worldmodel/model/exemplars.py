"""Exemplars: recorded pictures, of which a dream of new ground recalls what is most like it.

A small network learns where ground and steps may lie, and in what colours; what forty painted
backgrounds look like is more than it can hold, and it answers with a mist in their colours. So what
it dreams is taken as a description: of recorded pictures of such a level the one most like it is
recalled, and dreamed on. Completing a picture from what others show is old (Hays and Efros, Scene
completion using millions of photographs, 2007), and diffusion that looks up what is near is of the
same kind (Blattmann et al., arXiv 2204.11824).
Shapes: n pictures, k of them, g pieces of a picture, d numbers of a small piece, H W pixels.
"""

import math
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from PIL import Image
from torch import Tensor, nn

from worldmodel.errors import UserError

PIECE = 32  # pixels to the side of a piece, at most
SMALL = 4  # pixels to the side of what counts as one when pictures are compared
LIKE_IT = 64  # pictures that count as of the same kind of level
QUALITY = 95  # of the pictures as they are kept, of 100: WebP and JPEG of that size harm KID


class Exemplars(nn.Module):
    """`count` pictures that are `size` bytes; they are decoded once, which takes seconds."""

    encoded: Tensor  # uint8 [size], AVIF files one after the other
    ends: Tensor  # int64 [n], where each of them ends

    def __init__(self, count: int, size: int) -> None:
        super().__init__()
        self.register_buffer("encoded", torch.zeros(size, dtype=torch.uint8))
        self.register_buffer("ends", torch.zeros(count, dtype=torch.int64))
        self._found: tuple[Tensor, Tensor, Tensor] | None = None

    @property
    def sizes(self) -> tuple[int, int]:
        """What it was made with: `count` and `size`."""
        return len(self.ends), len(self.encoded)

    def alike(self, opening: Tensor) -> Tensor:
        """Which pictures [k] show a level like an `opening` [3 H W]: by how near the nearest of
        their pieces is to each of its own, in the mean."""
        _, pieces, squares = self.decoded()
        own = small_pieces(opening[None])[0]
        product = (own @ pieces.flatten(0, 1).T).unflatten(1, squares.shape)  # [g n g]
        nearest = (squares - 2 * product).amin(dim=2) + own.square().sum(dim=-1, keepdim=True)
        apart = nearest.clamp_min(0).sqrt().mean(dim=0)
        return apart.topk(min(LIKE_IT, len(apart)), largest=False).indices

    def nearest(self, rows: Tensor, picture: Tensor) -> Tensor:
        """Of the pictures `rows` [k] the one that is most like a `picture` [3 H W], [3 H W]."""
        pictures, pieces, _ = self.decoded()
        apart = (pieces[rows] - small_pieces(picture[None])).square().sum(dim=(1, 2))
        return pictures[rows[apart.argmin()]].float() / 255

    def decoded(self) -> tuple[Tensor, Tensor, Tensor]:
        """Pictures uint8 [n 3 H W], their small pieces [n g d] and the squares of these [n g]."""
        if self._found is None:
            files = np.split(self.encoded.cpu().numpy(), self.ends[:-1].tolist())
            with ThreadPoolExecutor() as pool:
                found = torch.as_tensor(np.stack(list(pool.map(_frame_of, files))))
            found = found.movedim(-1, 1).contiguous().to(self.encoded.device)
            pieces = torch.cat([small_pieces(part.float() / 255) for part in found.split(256)])
            self._found = found, pieces, pieces.square().sum(dim=-1)
        return self._found


def of_frames(frames: np.ndarray) -> Exemplars:
    """Exemplars that are these frames uint8 [n H W 3]."""
    files = []
    for frame in frames:
        file = BytesIO()
        Image.fromarray(frame).save(file, "AVIF", quality=QUALITY, subsampling="4:4:4")
        files.append(np.frombuffer(file.getvalue(), np.uint8))
    ends = np.cumsum([len(file) for file in files])
    found = Exemplars(len(files), int(ends[-1]))
    found.encoded.copy_(torch.as_tensor(np.concatenate(files)))
    found.ends.copy_(torch.as_tensor(ends))
    return found


def small_pieces(pictures: Tensor) -> Tensor:
    """Pictures [n 3 H W] as small pieces [n g d]."""
    side = piece_of(pictures) // SMALL
    small = F.avg_pool2d(pictures, SMALL)
    return rearrange(small, "n c (h p) (w q) -> n (h w) (c p q)", p=side, q=side)


def piece_of(pictures: Tensor) -> int:
    """Pixels to the side of a piece of pictures [... H W]: pieces fill them."""
    return math.gcd(*pictures.shape[-2:], PIECE)


def _frame_of(file: np.ndarray) -> np.ndarray:
    """A frame [H W 3] of an AVIF file uint8 [size]. Raises UserError."""
    try:
        return np.asarray(Image.open(BytesIO(file.tobytes())).convert("RGB"))
    except OSError as error:
        raise UserError(
            f"an exemplar of an outpainter is damaged, or this Pillow reads no AVIF ({error}); "
            "copy the checkpoint again, or install a newer Pillow"
        ) from None

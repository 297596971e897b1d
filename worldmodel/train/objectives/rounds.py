"""Pictures that go round: moved a little, encoded, decoded and moved again, as play has them go.

In a world with motion every frame is decoded, moved by what the keys say and encoded again. What
a decoder loses each time is lost for good, so it learns from latents that have been round before,
and what it makes is sent round once more. Moves are known, and the truth is moved at once by all
of them together, so that it is sampled only once.
Shapes: b pictures, n latents of a frame, c channels, H W pixels.
"""

from typing import Self

import numpy as np
import torch
from torch import Tensor

from worldmodel.model.tokenizer import Tokenizer
from worldmodel.model.warp import centres, sampled

STANDS = 0.3  # share of the moves that are none
ASIDE, UP = 8.0, 1.5  # pixels, the deviations of moves
NEARER = 0.03  # deviation of the enlargement


class Move:
    """Where pictures come from: x -> x zoom + shift, for zoom [b 1 1 1] and shift [b 2 1 1]."""

    def __init__(self, zoom: Tensor, shift: Tensor) -> None:
        self.zoom, self.shift = zoom, shift

    @classmethod
    def none(cls, count: int) -> Self:
        return cls(torch.ones(count, 1, 1, 1), torch.zeros(count, 2, 1, 1))

    @classmethod
    def drawn(cls, count: int, size: tuple[int, int], draw: np.random.Generator) -> Self:
        """Moves like those of a walk, for pictures of `size`."""
        half = np.array([size[1] / 2, size[0] / 2]).reshape(1, 2, 1, 1)
        moves = draw.random((count, 1, 1, 1)) >= STANDS
        zoom = 1 + NEARER * draw.standard_normal((count, 1, 1, 1)) * moves
        reach = np.array([ASIDE, UP]).reshape(1, 2, 1, 1) / half
        shift = reach * draw.standard_normal((count, 2, 1, 1)) * moves
        return cls(*(torch.as_tensor(x).float() for x in (zoom, shift)))

    def then(self, after: Self) -> Self:
        """Both moves as one: what `after` does to pictures that this one has moved."""
        return type(self)(after.zoom * self.zoom, after.shift * self.zoom + self.shift)

    def of(self, pictures: Tensor) -> Tensor:
        """Pictures [b 3 H W], moved."""
        places = centres(*pictures.shape[-2:])
        return sampled(pictures, places * self.zoom + self.shift)


def latents_of(tokenizer: Tokenizer, pictures: Tensor) -> Tensor:
    """Latents [b n c] of decoded pictures [b 3 H W], as play encodes them."""
    return tokenizer.standardise(tokenizer.bounded(pictures.clamp(0, 1)))


@torch.no_grad()
def gone_round(
    tokenizer: Tokenizer, latents: Tensor, times: int, size: tuple[int, int],
    draw: np.random.Generator,
) -> tuple[Tensor, Move]:  # fmt: skip
    """Latents [b n c] decoded, moved and encoded so many times, and how they have been moved."""
    total = Move.none(len(latents))
    for _ in range(times):
        move = Move.drawn(len(latents), size, draw)
        latents = latents_of(tokenizer, move.of(tokenizer.pictures(latents).float()))
        total = total.then(move)
    return latents, total

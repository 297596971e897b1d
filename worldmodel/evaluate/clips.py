"""Held-out clips: real frames to remember, then real frames that a dream is compared with.

Shapes: b clips, t frames, n latents of a frame, c channels, m controls, H W pixels.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from worldmodel.data.clips import ClipSampler, FrameStore, gather
from worldmodel.errors import UserError
from worldmodel.model.tokenizer import Tokenizer

MOVES = 2.0  # grey levels on average, by which a frame has moved from the one that is repeated


@dataclass(frozen=True)
class Clips:
    """`context` real frames, then those to be dreamed."""

    frames: Tensor  # uint8 [b t H W 3]
    latents: Tensor  # float32 [b t n c]
    controls: Tensor  # float32 [b t m]
    seeds: np.ndarray  # int64 [b], of the games that were recorded
    context: int

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def horizon(self) -> int:
        return self.frames.shape[1] - self.context

    @property
    def truth(self) -> Tensor:
        """What really followed the context, uint8 [b horizon H W 3]."""
        return self.frames[:, self.context :]

    @property
    def last(self) -> Tensor:
        """The last frame before the dream, uint8 [b 1 H W 3]."""
        return self.frames[:, self.context - 1 : self.context]

    def first(self, count: int, horizon: int) -> "Clips":
        """The first `count` clips, with a shorter horizon."""
        rows, t = slice(count), slice(self.context + horizon)
        return Clips(
            self.frames[rows, t], self.latents[rows, t], self.controls[rows, t],
            self.seeds[rows], self.context,
        )  # fmt: skip


def draw_clips(
    tokenizer: Tokenizer, store: FrameStore, count: int, *, context: int, horizon: int
) -> Clips:
    """`count` clips drawn evenly with a fixed seed; raises UserError when episodes are shorter."""
    length = context + horizon
    longest = max(episode.stop - episode.start for episode in store.episodes)
    if longest < length:
        raise UserError(
            f"no episode in {store.folder} has the {length} frames of a clip (the longest has "
            f"{longest}); give a smaller horizon, or collect longer episodes"
        )
    starts = ClipSampler(store.episodes, store.motion, length=length, seed=0).draw(0, count)
    frames = torch.as_tensor(gather(store.frames, starts, length))
    return Clips(
        frames,
        torch.stack([tokenizer.encode(clip) for clip in frames]),
        torch.as_tensor(gather(store.controls, starts, length)).float(),
        seeds_at(store, starts),
        context,
    )


def moved(truth: Tensor, before: Tensor) -> np.ndarray:
    """Whether frames uint8 [b k H W 3] differ from those that would be repeated, bool [b k]."""
    change = [
        (a.float() - b.float()).abs().mean(dim=(-3, -2, -1))
        for a, b in zip(truth, before, strict=True)
    ]
    return (torch.stack(change) >= MOVES).numpy()


def seeds_at(store: FrameStore, rows: np.ndarray) -> np.ndarray:
    """The seed, int64 [n], of the episode in which each row lies."""
    stops = np.array([episode.stop for episode in store.episodes])
    seeds = np.array([episode.seed for episode in store.episodes])
    return seeds[np.searchsorted(stops, rows, side="right")]

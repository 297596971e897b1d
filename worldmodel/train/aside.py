"""Training episodes that later stages leave aside, to choose on, and clips of them.

Shapes: b clips, t frames, n latents of a frame, c channels, m controls.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from worldmodel.data.clips import ClipSampler, FrameStore, Span, gather
from worldmodel.errors import UserError
from worldmodel.model.tokenizer import Tokenizer

ASIDE = 20  # one in so many training episodes is kept aside, the last ones
FRAMES = (1, 2, 4, 8, 16)  # on the world's own output, in the figures


def set_aside(episodes: Sequence[Span]) -> tuple[Sequence[Span], Sequence[Span]]:
    """Training episodes to learn from, and those to choose on. Raises UserError when only one."""
    if len(episodes) < 2:
        raise UserError(
            "there is one training episode, none can be kept aside to choose on; collect more"
        )
    count = max(1, len(episodes) // ASIDE)
    return episodes[:-count], episodes[-count:]


@dataclass(frozen=True)
class AsideClips:
    """Clips of training episodes kept aside: `context` real frames, then those to be dreamed."""

    frames: Tensor  # uint8 [b t H W 3]
    latents: Tensor  # float32 [b t n c]
    controls: Tensor  # float32 [b t m]
    context: int

    @property
    def truth(self) -> Tensor:
        return self.frames[:, self.context :]


def draw_aside(
    store: FrameStore, tokenizer: Tokenizer, count: int, context: int, horizon: int = max(FRAMES)
) -> AsideClips:
    """`count` clips, drawn in proportion to their motion with a fixed seed."""
    _, aside = set_aside(store.episodes)
    return draw_judged(store, aside, tokenizer, count, context, horizon)


@torch.no_grad()
def draw_judged(
    store: FrameStore, episodes: Sequence[Span], tokenizer: Tokenizer, count: int, context: int,
    horizon: int = max(FRAMES),
) -> AsideClips:  # fmt: skip
    """The same of any episodes."""
    length = context + horizon
    drawn = ClipSampler(episodes, store.motion, length=length, seed=5, moving=1.0).draw(0, count)
    frames, controls = (
        torch.as_tensor(gather(array, drawn, length)) for array in (store.frames, store.controls)
    )
    latents = torch.stack([tokenizer.encode(clip) for clip in frames])
    return AsideClips(frames, latents, controls.float(), context)

"""Dreams for judging: many pasts at once, each under keys of its own, along the path that plays.

Shapes: b pasts, w frames of a past, t frames dreamed, m controls, H W pixels.
"""

from dataclasses import dataclass

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from worldmodel.checkpoint import Checkpoint
from worldmodel.data.clips import ClipSampler, FrameStore, gather, known
from worldmodel.diffusion.rollout import prefill, rollout
from worldmodel.diffusion.samplers import sampler_named
from worldmodel.diffusion.schedules import even_times
from worldmodel.errors import UserError
from worldmodel.model.motion import Carrier

BATCH = 32  # pasts dreamed on at once


@dataclass(frozen=True)
class Pasts:
    """Real frames uint8 [b w H W 3] with their controls float32 [b w m], and their game seeds.

    controls[i] produced frames[i].
    """

    frames: Tensor
    controls: Tensor
    seeds: np.ndarray  # int [b]

    def __len__(self) -> int:
        return len(self.frames)


@dataclass(frozen=True)
class Futures:
    """What followed each past in the true game: frames uint8 [b t H W 3], controls [b t m]."""

    frames: Tensor
    controls: Tensor


def draw_futures(
    store: FrameStore, past: int, ahead: int, count: int, *, seed: int = 0
) -> tuple[Pasts, Futures]:
    """`count` clips whose keys are known, drawn evenly, cut into a past and what followed it."""
    length = past + ahead
    starts = ClipSampler(
        store.episodes, store.motion, length=length, seed=seed, usable=known(store)
    ).draw(0, count)
    frames, controls = (
        torch.from_numpy(gather(array, starts, length)) for array in (store.frames, store.controls)
    )
    spans = np.searchsorted([e.stop for e in store.episodes], starts, side="right")
    seeds = np.array([store.episodes[i].seed for i in spans])
    return (
        Pasts(frames[:, :past], controls[:, :past].float(), seeds),
        Futures(frames[:, past:], controls[:, past:].float()),
    )


@torch.inference_mode()
def dream(
    world: Checkpoint, pasts: Pasts, keys: Tensor, *, steps: int | None = None, seed: int = 0
) -> Tensor:
    """Frames uint8 [b t H W 3] that `world` dreams after `pasts` under `keys` [b t m].

    With the setting that the checkpoint ships with; `steps` a frame are its own unless given.
    Dreams of equal seed share their noise, frame by frame.
    """
    parts = range(0, len(pasts), BATCH)
    return torch.cat([_dream(world, pasts, keys, slice(i, i + BATCH), steps, seed) for i in parts])


def _dream(
    world: Checkpoint, pasts: Pasts, keys: Tensor, part: slice, steps: int | None, seed: int
) -> Tensor:
    play, carrier = world.config.play, carrier_of(world)
    window, keys = world.config.world.window, keys[part].float()
    frames, controls = pasts.frames[part, -window:], pasts.controls[part, -window:]
    latents = torch.stack([world.tokenizer.encode(clip) for clip in frames])
    cache = world.network.empty_cache(len(latents))
    prefill(world.network, cache, latents, controls, carrier)
    draw, again = (
        torch.Generator().manual_seed(2 * (seed * 1_000_003 + part.start) + i) for i in (0, 1)
    )
    shape = (keys.shape[1], len(latents), *latents.shape[2:])  # time first: longer dreams begin so
    dreamed = rollout(
        world.network, cache, keys, torch.randn(shape, generator=draw).transpose(0, 1),
        carrier=carrier, times=even_times(steps or play.steps), sampler=sampler_named(play.sampler),
        guidance=play.guidance, warm_start=play.warm_start, rest=play.rest,
        clamp=world.tokenizer.clamp,
        fresh=lambda i: torch.randn(latents[:, 0].shape, generator=again),
    )  # fmt: skip
    shown = world.tokenizer.decode(rearrange(dreamed, "b t n c -> (b t) n c"))
    return rearrange(shown, "(b t) h w c -> b t h w c", b=len(latents))


def through_tokenizer(world: Checkpoint, frames: Tensor) -> Tensor:
    """Frames uint8 [b t H W 3] encoded and decoded again: the sharpest that a dream can be."""
    with torch.inference_mode():
        return torch.stack([world.tokenizer.decode(world.tokenizer.encode(c)) for c in frames])


def carrier_of(world: Checkpoint) -> Carrier | None:
    return Carrier(world.motion, world.tokenizer) if world.motion else None


def heldout_of(world: Checkpoint, store: FrameStore) -> FrameStore:
    """The store, if it can judge the world; raises UserError in one sentence if not."""
    size = world.config.tokenizer.height, world.config.tokenizer.width
    own = world.config.controls
    if (store.space.buttons, store.space.axes, store.size) != (own.buttons, own.axes, size):
        raise UserError(
            f"{store.folder} has other controls or another size than the world in {world.folder}; "
            "judge it on data of the same game"
        )
    return store

"""How faithful a world is to held-out episodes: next frames, rollouts and obedience to keys.

Every figure is computed along the path that plays (frame cache, sampler), stands beside repeating
the last frame and carries a bootstrap interval over clips.
Shapes: b clips, t frames, n latents of a frame, c channels, m controls.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from worldmodel.checkpoint import Checkpoint, load_checkpoint
from worldmodel.data.clips import ClipSampler, FrameStore, gather
from worldmodel.diffusion.rollout import next_frame, prefill, rollout
from worldmodel.diffusion.samplers import sampler_named
from worldmodel.diffusion.schedules import even_times
from worldmodel.errors import UserError
from worldmodel.model.motion import Carrier
from worldmodel.train.metrics import psnr
from worldmodel.train.objectives.rectified_flow import obeyed_loss

MOVES = 2.0  # a clip moves when its judged frame changes by this many grey levels on average
HORIZONS = (1, 2, 4, 8, 16)  # frames on the world's own output
BATCH = 32


@dataclass(frozen=True)
class Clips:
    """Held-out clips: `context` real frames, then those to be dreamed."""

    frames: Tensor  # uint8 [b t H W 3]
    latents: Tensor  # float32 [b t n c]
    controls: Tensor  # float32 [b t m]
    moves: np.ndarray  # bool [b]
    context: int


@torch.inference_mode()
def evaluate(
    folder: Path | str, data: Path | str, *, clips: int = 256, steps: int | None = None
) -> dict[str, object]:
    """Figures of the checkpoint in `folder` on `data/heldout`, as JSON-ready values.

    `steps` a frame are the checkpoint's own unless given. Each figure is [mean, low, high] with a
    95 % bootstrap interval. Raises UserError when data and world do not fit.
    """
    world = load_checkpoint(folder)
    store = FrameStore(Path(data) / "heldout")
    if store.space != world.config.controls or store.size != _size(world):
        raise UserError(
            f"{data} has other controls or another size than the world in {folder}; "
            "evaluate on data of the same game"
        )
    steps = steps or world.config.play.steps
    drawn = draw_clips(world, store, clips)
    scores = next_frame_scores(world, drawn, steps) | rollout_scores(world, drawn, steps)
    report: dict[str, object] = {
        "checkpoint": str(folder),
        "clips": clips,
        "clips_that_move": int(drawn.moves.sum()),
        "steps": steps,
        "guidance": world.config.play.guidance,
        "sampler": world.config.play.sampler,
        "warm_start": world.config.play.warm_start,
    }
    report |= {name: bootstrap_mean(values) for name, values in scores.items()}
    report |= {f"{k}, moving": bootstrap_mean(v[drawn.moves]) for k, v in scores.items()}
    return report | shuffled_ratio(world, drawn)


def _size(world: Checkpoint) -> tuple[int, int]:
    return world.config.tokenizer.height, world.config.tokenizer.width


def draw_clips(world: Checkpoint, store: FrameStore, count: int) -> Clips:
    """`count` held-out clips, evenly drawn with a fixed seed."""
    context, length = world.config.world.window, world.config.world.window + max(HORIZONS)
    starts = ClipSampler(store.episodes, store.motion, length=length, seed=0).draw(0, count)
    frames = torch.from_numpy(gather(store.frames, starts, length))
    latents = torch.stack([world.tokenizer.encode(clip) for clip in frames])
    controls = torch.from_numpy(gather(store.controls, starts, length)).float()
    return Clips(frames, latents, controls, store.motion[starts + context] >= MOVES, context)


def next_frame_scores(world: Checkpoint, clips: Clips, steps: int) -> dict[str, np.ndarray]:
    """PSNR [b] of the first dreamed frame, of repeating the last and of the tokenizer alone."""
    at, carrier = clips.context, carrier_of(world)
    dreamed = []
    for part, cache in _prefilled(world, clips):
        keys = clips.controls[part, at]
        start = carrier and carrier.carry(cache, keys)
        guess = next_frame(
            world.network, cache, keys, _noise(part, clips, 1)[:, 0],
            carried=start, **_setting(world, steps),
        )  # fmt: skip
        dreamed.append(psnr(world.tokenizer.decode(guess), clips.frames[part, at]))
    truth = clips.frames[:, at]
    next_psnr = torch.cat(dreamed)
    repeated = psnr(clips.frames[:, at - 1], truth)
    ceiling = psnr(world.tokenizer.decode(clips.latents[:, at]), truth)
    return {
        "next frame, dB": next_psnr.numpy(),
        "repeating the last frame, dB": repeated.numpy(),
        "next frame over repeating, dB": (next_psnr - repeated).numpy(),
        "tokenizer alone, dB": ceiling.numpy(),
    }


def rollout_scores(world: Checkpoint, clips: Clips, steps: int) -> dict[str, np.ndarray]:
    """PSNR [b] over repeating the last real frame, by frames dreamed on the world's own output."""
    at, longest = clips.context, max(HORIZONS)
    gains = []
    for part, cache in _prefilled(world, clips):
        dream = rollout(
            world.network, cache, clips.controls[part, at:], _noise(part, clips, longest),
            carrier=carrier_of(world), **_setting(world, steps),
        )  # fmt: skip
        frames = world.tokenizer.decode(rearrange(dream, "b t n c -> (b t) n c"))
        frames = rearrange(frames, "(b t) h w c -> b t h w c", t=longest)
        truth = clips.frames[part, at:]
        gains.append(psnr(frames, truth) - psnr(clips.frames[part, at - 1 : at], truth))
    by_frame = torch.cat(gains).numpy()
    return {f"frame {h} over repeating, dB": by_frame[:, h - 1] for h in HORIZONS}


def shuffled_ratio(world: Checkpoint, clips: Clips) -> dict[str, object]:
    """Training loss with another clip's controls over the loss with the true ones, moving clips."""
    moving = np.flatnonzero(clips.moves)
    controls = clips.controls[moving, :16]
    true = clip_losses(world, clips.latents[moving, :16], controls)
    shuffled = clip_losses(world, clips.latents[moving, :16], controls.roll(1, 0))
    draws = np.random.default_rng(0).integers(len(true), size=(1000, len(true)))
    low, high = np.quantile(shuffled[draws].mean(1) / true[draws].mean(1), [0.025, 0.975])
    return {
        "loss, moving": bootstrap_mean(true),
        "shuffled-action loss ratio, moving": [
            float(shuffled.mean() / true.mean()), float(low), float(high),
        ],
    }  # fmt: skip


def clip_losses(world: Checkpoint, latents: Tensor, controls: Tensor) -> np.ndarray:
    """Rectified-flow loss [b] of clips under `controls`, at fixed noise and noise levels."""
    carrier = carrier_of(world)
    parts = zip(latents.split(BATCH), controls.split(BATCH), strict=True)
    losses = [obeyed_loss(world.network, carrier, x, keys).mean(dim=1) for x, keys in parts]
    return torch.cat(losses).numpy()


def carrier_of(world: Checkpoint) -> Carrier | None:
    return Carrier(world.motion, world.tokenizer) if world.motion else None


def _prefilled(world: Checkpoint, clips: Clips) -> Iterator[tuple[slice, object]]:
    """Batches of clips, each with a cache that has seen the real context."""
    for start in range(0, len(clips.latents), BATCH):
        part = slice(start, min(start + BATCH, len(clips.latents)))
        cache = world.network.empty_cache(part.stop - part.start)
        seen = slice(clips.context - world.config.world.window, clips.context)
        prefill(
            world.network, cache, clips.latents[part, seen], clips.controls[part, seen],
            carrier_of(world),
        )  # fmt: skip
        yield part, cache


def _noise(part: slice, clips: Clips, frames: int) -> Tensor:
    shape = (part.stop - part.start, frames, *clips.latents.shape[2:])
    return torch.randn(shape, generator=torch.Generator().manual_seed(part.start))


def _setting(world: Checkpoint, steps: int) -> dict[str, object]:
    return {
        "times": even_times(steps),
        "sampler": sampler_named(world.config.play.sampler),
        "guidance": world.config.play.guidance,
        "warm_start": world.config.play.warm_start,
        "clamp": world.tokenizer.clamp,
    }


def bootstrap_mean(values: np.ndarray, draws: int = 1000) -> list[float]:
    """[mean, low, high]: the mean and its 95 % bootstrap interval."""
    if len(values) == 0:
        return [float("nan")] * 3
    picks = np.random.default_rng(0).integers(len(values), size=(draws, len(values)))
    low, high = np.quantile(values[picks].mean(axis=1), [0.025, 0.975])
    return [float(values.mean()), float(low), float(high)]

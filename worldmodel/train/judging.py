"""How sharp and how near to the truth a world dreams, on training episodes kept aside.

Choices between stages are made on these; held-out episodes are for `worldmodel evaluate` alone.
Shapes: b clips, t frames, n latents of a frame, c channels, m controls.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from worldmodel.checkpoint import Checkpoint, encoder_hash
from worldmodel.data.clips import FrameStore
from worldmodel.diffusion.rollout import prefill, rollout
from worldmodel.diffusion.samplers import sampler_named
from worldmodel.diffusion.schedules import even_times
from worldmodel.errors import UserError
from worldmodel.model.carrier import Carrier
from worldmodel.model.efficientnet import VARIANTS, load_efficientnet
from worldmodel.model.tokenizer import Tokenizer, to_float, to_uint8
from worldmodel.model.transformer import WorldTransformer
from worldmodel.train.aside import FRAMES, AsideClips, draw_aside, draw_judged
from worldmodel.train.finished import open_world, play_setting
from worldmodel.train.gaps import gap_figures
from worldmodel.train.metrics import psnr
from worldmodel.train.objectives.perceptual import feature_distance
from worldmodel.train.pictures import save_sheet

PART = 64  # frames decoded at once
DEEP = 5  # stages of a network whose features are compared, to a sixteenth of the picture

Distance = Callable[[Tensor, Tensor], Tensor]  # of frames uint8 [n H W 3], a value each [n]


def judge_world(
    data: Path, checkpoint: Path, *, clips: int = 24, steps: int | None = None,
    warm_start: float | None = None, sampler: str | None = None, guidance: float | None = None,
    features: str | None = None, picture: Path | None = None, teacher: Path | None = None,
    teacher_guidance: float = 1.0, heldout: bool = False,
) -> dict[str, float]:  # fmt: skip
    """Figures of rollouts on training episodes kept aside; settings are the world's unless given.

    `features` names the network (lite0, lite2) whose feature distance is measured as well. With a
    `teacher` also how far few looks end from the teacher's many (`gap_figures`). `heldout` takes
    held-out episodes, for figures that are stated and not for choices.
    """
    if features not in (None, *VARIANTS):
        raise UserError(f"unknown features {features!r}; choose one of {', '.join(VARIANTS)}")
    world = open_world(checkpoint, data)
    setting = play_setting(world)
    given = {"warm_start": warm_start, "guidance": guidance}
    setting |= {name: value for name, value in given.items() if value is not None}
    setting |= {"times": even_times(steps)} if steps else {}
    setting |= {"sampler": sampler_named(sampler)} if sampler else {}
    carrier = Carrier(world.motion, world.tokenizer) if world.motion else None
    judged = _clips(data, heldout, world.tokenizer, clips, world.config.world.window)
    world.network.to(memory_format=torch.channels_last)
    frames = dreamed(world.network, world.tokenizer, carrier, judged, **setting)
    if picture:
        save_sheet(sheet(frames, judged), picture)
    distances = {features: features_distance(features)} if features else {}
    own = dream_figures(decoded(world.tokenizer, judged.latents[:, judged.context :]), judged)
    figures = {"tokenizer_sharpness": own["sharpness_1"]}
    figures |= dream_figures(frames, judged, distances)
    if teacher:
        taught = _teacher(teacher, data, world)
        for own in ("times", "finishing_look"):  # of single frames, after a real past
            setting.pop(own)
        figures |= gap_figures(
            world.network, taught, carrier, judged, teacher_guidance=teacher_guidance, **setting
        )
    return figures


def _teacher(folder: Path, data: Path, student: Checkpoint) -> WorldTransformer:
    teacher = open_world(folder, data)
    if encoder_hash(teacher.tokenizer) != encoder_hash(student.tokenizer):
        raise UserError(
            f"the teacher in {folder} has another encoder than the world, so their latents cannot "
            "be compared; name the world that this one was distilled from"
        )
    return teacher.network.to(memory_format=torch.channels_last)


def _clips(data: Path, heldout: bool, tokenizer: Tokenizer, count: int, context: int) -> AsideClips:
    if not heldout:
        return draw_aside(FrameStore(data / "train"), tokenizer, count, context)
    store = FrameStore(data / "heldout")
    return draw_judged(store, store.episodes, tokenizer, count, context)


@torch.no_grad()
def dreamed(
    network: WorldTransformer, tokenizer: Tokenizer, carrier: Carrier | None, clips: AsideClips,
    **setting: object,
) -> Tensor:  # fmt: skip
    """Frames uint8 [b t H W 3] on the world's own output; `setting` is `next_frame`'s."""
    shown, clamp = [], tokenizer.clamp
    latents = dreamed_latents(network, carrier, clips, shown, clamp=clamp, **setting)
    return to_uint8(torch.stack(shown, dim=1)) if carrier else decoded(tokenizer, latents)


@torch.no_grad()
def dreamed_latents(
    network: WorldTransformer, carrier: Carrier | None, clips: AsideClips,
    shown: list[Tensor] | None = None, **setting: object,
) -> Tensor:  # fmt: skip
    """The same as latents [b t n c]; with motion the frames [b 3 H W] go to the end of `shown`."""
    at, count = clips.context, len(clips.latents)
    cache, past = network.empty_cache(count), (clips.latents[:, :at], clips.controls[:, :at])
    prefill(network, cache, *past, carrier, carrier and carrier.real(clips.frames[:, :at]))
    shape = clips.latents[:, at:].shape
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(9))
    return rollout(
        network, cache, clips.controls[:, at:], noise, carrier=carrier, pictures=shown, **setting
    )


def decoded(tokenizer: Tokenizer, latents: Tensor) -> Tensor:
    """Latents [b t n c] as frames uint8 [b t H W 3]."""
    flat = rearrange(latents, "b t n c -> (b t) n c").float().split(PART)
    frames = torch.cat([tokenizer.decode(part) for part in flat])
    return rearrange(frames, "(b t) h w c -> b t h w c", b=len(latents))


def dream_figures(
    frames: Tensor, clips: AsideClips, distances: dict[str, Distance] | None = None
) -> dict[str, float]:
    """Means over clips, frame by frame: PSNR over repeating the last real frame, the share of the
    truth's sharpness, and what `distances` measure."""
    truth, last = clips.truth, clips.frames[:, clips.context - 1 : clips.context]
    gained = (psnr(frames, truth) - psnr(last, truth)).mean(dim=0)
    sharp = [sharpness(x).mean(dim=0) for x in (frames, truth)]
    columns = {"over_repeat": gained, "sharpness": sharp[0] / sharp[1]}
    for name, distance in (distances or {}).items():
        far = distance(frames.flatten(0, 1), truth.flatten(0, 1))
        columns[name] = far.unflatten(0, truth.shape[:2]).mean(dim=0)
    shown = [frame for frame in FRAMES if frame <= truth.shape[1]]
    return {f"{name}_{i}": float(value[i - 1]) for name, value in columns.items() for i in shown}


def features_distance(name: str) -> Distance:
    """Distance in the features of an EfficientNet, between uint8 frames [n H W 3]."""
    network = load_efficientnet(name).to(memory_format=torch.channels_last)

    @torch.no_grad()
    def distance(a: Tensor, b: Tensor) -> Tensor:
        pairs = zip(a.split(PART), b.split(PART), strict=True)
        seen = ([network.stages(to_float(x), DEEP) for x in pair] for pair in pairs)
        return torch.cat([feature_distance(*pair) for pair in seen])

    return distance


def sharpness(frames: Tensor) -> Tensor:
    """Mean absolute difference of neighbouring pixels of frames uint8 [... H W 3], in 0..255."""
    across, down = (frames.float().diff(dim=dim).abs().mean(dim=(-3, -2, -1)) for dim in (-2, -3))
    return (across + down) / 2


def sheet(frames: Tensor, clips: AsideClips, count: int = 6) -> list[np.ndarray]:
    """Rows of a contact sheet: truth above, dream below, from clips far from each other."""
    chosen = torch.linspace(0, len(frames) - 1, min(count, len(frames))).long()
    at = [frame - 1 for frame in FRAMES if frame <= frames.shape[1]]
    return [x[i][at].numpy() for i in chosen for x in (clips.truth, frames)]

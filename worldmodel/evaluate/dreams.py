"""Dreams to be judged: after real frames or after the world's own, along the path that plays.

Shapes: b clips or pasts, t frames, n latents of a frame, c channels, m controls, H W pixels.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from worldmodel.checkpoint import PlayConfig
from worldmodel.diffusion.rollout import next_frame, prefill, remember
from worldmodel.diffusion.samplers import Sampler, sampler_named
from worldmodel.diffusion.schedules import even_times
from worldmodel.errors import UserError
from worldmodel.evaluate.clips import Clips
from worldmodel.evaluate.pasts import Pasts
from worldmodel.model.cache import FrameCache, join, split
from worldmodel.model.carrier import picture_of
from worldmodel.model.tokenizer import to_uint8
from worldmodel.play.noise import FRESH, START, frame_noise
from worldmodel.play.world import World

BATCH = 16  # players who are dreamed for at once
SEEDS = 1_000_003  # apart lie the noises of two seeds
Advance = Callable[[int], None]


@dataclass(frozen=True, kw_only=True)
class Setting:
    """How a frame is dreamed. `blank` puts zeros in the place of noise, as a regression network
    wants it."""

    steps: int = 2
    sampler: Sampler
    guidance: float = 1.0
    guidance_interval: tuple[float, float] = (0.0, 1.0)
    warm_start: float = 0.0
    rest: float = 0.0
    finishing_look: bool = True
    blank: bool = False


def setting_of(play: PlayConfig, steps: int | None = None) -> Setting:
    """The setting a world ships with, or with other steps; raises UserError below one."""
    if steps is not None and steps < 1:
        raise UserError(f"steps must be at least 1, found {steps}; give more")
    return Setting(
        steps=steps or play.steps,
        sampler=sampler_named(play.sampler),
        guidance=play.guidance,
        warm_start=play.warm_start,
        rest=play.rest,
        finishing_look=play.finishing_look,
    )


def regression_setting() -> Setting:
    """One look at zeros."""
    return Setting(steps=1, sampler=sampler_named("euler"), blank=True)


class Dreamer:
    """Several players of a world, each with a seed of his own; `see` and `dream` move them on."""

    def __init__(self, world: World, setting: Setting, seeds: list[int]) -> None:
        self.world, self.setting, self.seeds = world, setting, seeds
        self.cache: FrameCache = world.network.empty_cache(len(seeds))
        self.frame = 0
        self.begun = self.cache.snapshot()  # where levels begin anew
        self.over = torch.zeros(len(seeds), dtype=torch.bool)  # with the next frame
        self.near = torch.ones_like(self.over)  # their last frame looked like an end
        self.ended = torch.zeros(len(seeds), dtype=torch.int64)  # levels, so far

    def see(self, latents: Tensor, controls: Tensor, frames: Tensor) -> None:
        """Remember real frames, uint8 [b t H W 3] and their latents [b t n c], that `controls`
        [b t m] produced.
        """
        carrier = self.world.carrier
        pictures = carrier and carrier.real(frames)
        prefill(self.world.network, self.cache, latents, controls, carrier, pictures)
        self.begun = self.cache.snapshot()
        self.over, self.near = torch.zeros_like(self.over), torch.ones_like(self.over)

    def dream(self, controls: Tensor, *, keep: bool = True) -> Tensor:
        """The next frame, uint8 [b H W 3], under controls [b m]; remembered if `keep`."""
        carrier = self.world.carrier
        noise = self._noise(START)
        carried = carrier and carrier.carry(self.cache, controls, noise, self.setting.rest)
        latent = self._latent(controls, carried, noise)
        picture = picture_of(self.world.tokenizer, carrier, latent, carried)
        frames, before = to_uint8(picture), self.cache.memory.picture
        if keep:
            remember(
                self.world.network, self.cache, latent, controls, carried=carried,
                picture=picture if carrier else None,
                finishing_look=self.setting.finishing_look,
            )  # fmt: skip
            if self.world.ending:
                self._begin_anew(frames)
                begins = self.over  # near an end, it may be
                over, near = self.world.ending.over(before, picture, self.near)
                self.over, self.near = over & ~begins, near | begins
                self.ended[: len(self.over)] += self.over
        self.frame += 1
        return frames

    def fork(self) -> "Dreamer":
        """Others who stand where these do now, and whose noise begins from the first frame's."""
        other = Dreamer(self.world, self.setting, self.seeds)
        other.cache = FrameCache(self.cache.snapshot())
        other.begun, other.over, other.near = self.begun, self.over.clone(), self.near.clone()
        return other

    def leave(self, count: int) -> None:
        """Let only the first `count` players go on."""
        self.cache = join(split(self.cache)[:count])
        self.seeds = self.seeds[:count]
        self.over, self.near = self.over[:count], self.near[:count]

    def _begin_anew(self, frames: Tensor) -> None:
        """Those whose level is over stand where they began, which is the frame they are shown."""
        if not self.over.any():
            return
        caches, begun = split(self.cache), split(FrameCache(self.begun))
        for i in self.over.nonzero()[:, 0].tolist():
            caches[i], frames[i] = begun[i], to_uint8(begun[i].memory.picture)[0]
        self.cache = join(caches)

    def _latent(
        self, controls: Tensor, carried: tuple[Tensor, ...] | None, noise: Tensor
    ) -> Tensor:
        setting = self.setting
        return next_frame(
            self.world.network, self.cache, controls,
            torch.zeros_like(noise) if setting.blank else noise,
            times=even_times(setting.steps),
            sampler=setting.sampler,
            fresh=lambda i: self._noise(f"{FRESH} {i}"),
            guidance=setting.guidance,
            guidance_interval=setting.guidance_interval,
            clamp=self.world.tokenizer.clamp,
            carried=carried,
            warm_start=setting.warm_start,
            rest=setting.rest,
        )  # fmt: skip

    def _noise(self, use: str) -> Tensor:
        config = self.world.config.world
        shape = config.grid[0] * config.grid[1], config.latent_channels
        return torch.stack([frame_noise(shape, s, self.frame + 1, use) for s in self.seeds])


def own_output(
    world: World, clips: Clips, setting: Setting, advance: Advance = lambda count: None
) -> Tensor:
    """Each clip dreamed on the world's own output, uint8 [b horizon H W 3]."""
    found = []
    for part, dreamer in dreamers(world, clips, setting):
        frames = []
        for t in range(clips.context, clips.context + clips.horizon):
            frames.append(dreamer.dream(clips.controls[part, t]))
            advance(len(frames[-1]))
        found.append(torch.stack(frames, dim=1))
    return torch.cat(found)


def after_real(
    world: World, clips: Clips, setting: Setting, every: int, advance: Advance = lambda count: None
) -> Tensor:
    """Every `every`-th frame dreamed after real ones only (teacher forcing), uint8 [b k H W 3]."""
    found = []
    for part, dreamer in dreamers(world, clips, setting):
        frames = []
        for t in range(clips.context, clips.context + clips.horizon):
            if (t - clips.context) % every == 0:
                frames.append(dreamer.dream(clips.controls[part, t], keep=False))
            now = part, slice(t, t + 1)
            dreamer.see(clips.latents[now], clips.controls[now], clips.frames[now])
            advance(len(clips.latents[part]))
        found.append(torch.stack(frames, dim=1))
    return torch.cat(found)


def dreamers(world: World, clips: Clips, setting: Setting) -> Iterator[tuple[slice, Dreamer]]:
    """Batches of clips, each with a dreamer who has seen the real context."""
    for start in range(0, len(clips), BATCH):
        part = slice(start, min(start + BATCH, len(clips)))
        dreamer = Dreamer(world, setting, list(range(part.start, part.stop)))
        seen = part, slice(clips.context)
        dreamer.see(clips.latents[seen], clips.controls[seen], clips.frames[seen])
        yield part, dreamer


@torch.inference_mode()
def dream(
    world: World, pasts: Pasts, keys: Tensor, *, setting: Setting | None = None, seed: int = 0
) -> Tensor:
    """Frames uint8 [b t H W 3] that `world` dreams after `pasts` under `keys` [b t m].

    In the setting that it ships with unless another one is given. Dreams of equal seed share their
    noise, frame by frame.
    """
    setting, window = setting or setting_of(world.config.play), world.config.world.window
    found = []
    for start in range(0, len(pasts), BATCH):
        part = slice(start, min(start + BATCH, len(pasts)))
        frames = pasts.frames[part, -window:]
        seen = [world.tokenizer.encode(clip) for clip in frames]
        seeds = [seed * SEEDS + i for i in range(part.start, part.stop)]
        dreamer = Dreamer(world, setting, seeds)
        dreamer.see(torch.stack(seen), pasts.controls[part, -window:], frames)
        frames = [dreamer.dream(held) for held in keys[part].float().unbind(1)]
        found.append(torch.stack(frames, dim=1))
    return torch.cat(found)


@torch.inference_mode()
def through_tokenizer(world: World, frames: Tensor) -> Tensor:
    """Frames uint8 [b t H W 3] encoded and decoded again: the sharpest that a dream can be."""
    return torch.stack([world.tokenizer.decode(world.tokenizer.encode(c)) for c in frames])


def reconstructions(world: World, clips: Clips) -> Tensor:
    """What the tokenizer alone makes of the truth, uint8 [b horizon H W 3]."""
    decode = world.tokenizer.decode
    return torch.stack([decode(latents[clips.context :]) for latents in clips.latents])

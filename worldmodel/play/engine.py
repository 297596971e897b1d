"""The engine: weights, a scene, a seed and controls in; the next frame out.

It never knows which game it is. Shapes: b players, n latents of a frame, c channels, k controls.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from worldmodel.diffusion.rollout import next_frame, prefill, remember
from worldmodel.diffusion.samplers import sampler_named
from worldmodel.diffusion.schedules import even_times
from worldmodel.errors import UserError
from worldmodel.games.base import ControlSpace
from worldmodel.model.cache import FrameCache, Memory, join, split
from worldmodel.model.carrier import picture_of
from worldmodel.model.tokenizer import to_uint8
from worldmodel.play.history import Remembered, remembered_by
from worldmodel.play.noise import CONTEXT, FRESH, START, frame_noise
from worldmodel.play.scene import Scene, scene_from_picture
from worldmodel.play.settings import Settings
from worldmodel.play.threads import one_thread
from worldmodel.play.timing import Clock
from worldmodel.play.world import World, context_of, load_world


@dataclass(frozen=True)
class Moment:
    """A snapshot of one player: with the same controls, the same frames follow to the bit."""

    memory: Memory
    scene: Scene
    seed: int
    frame_index: int
    settings: Settings
    past: tuple[Remembered, ...]  # the frames behind `memory`
    world: str  # key of the world whose memory it is
    beginning: "Moment | None" = None  # where the level begins anew, in worlds whose levels end
    over: bool = False  # the next frame does
    near: bool = True  # the last frame looked like an end


class Engine:
    """One player in a world. `settings` may be replaced between frames; `fork` adds a player."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.settings = Settings(**vars(world.config.play))
        self.frame_index = 0  # frames dreamed since the scene began
        self.seed = 0
        self.scene: Scene | None = None
        self.timings: dict[str, float] = {}  # seconds of the last step, by stage
        self.cache: FrameCache | None = None
        self.past: tuple[Remembered, ...] = ()  # as many frames as the cache remembers
        self.beginning: Moment | None = None  # where the level begins anew
        self.over = False  # the next frame does: it was over with the last one
        self.near = True  # the last frame looked like an end; so may the first, and is none

    @property
    def name(self) -> str:
        return self.world.name

    @property
    def title(self) -> str:
        return self.world.config.title

    @property
    def licence(self) -> str:
        return self.world.config.licence

    @property
    def controls(self) -> ControlSpace:
        return self.world.config.controls

    @property
    def fps(self) -> float:
        return self.world.config.fps

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.world.config.tokenizer.height, self.world.config.tokenizer.width

    @property
    def speed(self) -> str:
        """The rewrite that runs; with it named, seed, scene and controls replay to the bit."""
        return self.world.speed.name

    @property
    def trained(self) -> int | None:
        """Updates behind the weights, of a world that is still being trained."""
        return self.world.trained

    @property
    def scenes(self) -> tuple[Scene, ...]:
        return self.world.scenes

    @torch.inference_mode()
    def reset(self, scene: Scene, seed: int) -> np.ndarray:
        """Enter a scene; returns its last frame, uint8 [h w 3]: as it is in worlds that keep its
        detail, in others as the tokenizer shows it.

        Raises UserError when the scene's size or number of controls is not the world's.
        """
        self._check(scene)
        network = self.world.network
        latents, controls = context_of(self.world, scene)
        self.cache = network.empty_cache()
        carrier, frames = self.world.carrier, torch.as_tensor(scene.frames[-len(latents) :])
        pictures = carrier and carrier.real(frames[None])
        prefill(network, self.cache, latents[None], controls[None], carrier, pictures)
        self.scene, self.seed, self.frame_index = scene, seed, 0
        self.past = ()
        for frame in zip(latents, controls, scene.frames[-len(latents) :], strict=True):
            self._keep(*frame)
        self.beginning, self.over, self.near = None, False, True
        if self.world.ending:
            self.beginning = self.snapshot()
        if pictures is not None:
            return scene.frames[-1].copy()
        return self.world.tokenizer.decode(latents[-1:])[0].cpu().numpy()

    def step(self, controls: np.ndarray) -> np.ndarray:
        """Dream the frame that `controls` float32 [k] bring about, uint8 [h w 3]."""
        return step_together([self], [controls])[0]

    def snapshot(self) -> Moment:
        """This moment; costs next to nothing, as what is remembered is never overwritten."""
        memory = _own(self._started().memory)
        now = self.scene, self.seed, self.frame_index, self.settings, self.past
        ending = self.beginning, self.over, self.near
        return Moment(memory, *now, self.world.key, *ending)

    def restore(self, moment: Moment) -> None:
        """Go on from a snapshot of any player of this world, with its settings.

        Also from one of an earlier version of it: what that one remembered is remembered anew.
        Raises UserError when it had other sizes or controls.
        """
        same = moment.world == self.world.key
        self.cache = FrameCache(moment.memory if same else remembered_by(self.world, moment.past))
        own = [scene for scene in self.scenes if scene.name == moment.scene.name]
        self.scene, self.seed = own[0] if own else moment.scene, moment.seed
        self.past = moment.past
        self.frame_index, self.settings = moment.frame_index, moment.settings
        self.beginning, self.over, self.near = moment.beginning, moment.over, moment.near

    def fork(self) -> "Engine":
        """Another player in this world, where this one stands now, who goes his own way."""
        other = Engine(self.world)
        other.settings = self.settings
        if self.cache is not None:
            other.restore(self.snapshot())
        return other

    def scene_from_picture(self, picture: np.ndarray) -> Scene:
        """A scene from any picture uint8 [H W 3]; raises UserError when it is no picture."""
        return scene_from_picture(picture, self.size, self.controls.size)

    def _anew(self) -> np.ndarray:
        """The level begins anew, which takes a frame; what nobody has seen will be new."""
        begun, now = self.beginning, (self.frame_index + 1, self.settings)
        self.restore(begun)
        self.beginning, (self.frame_index, self.settings) = begun, now
        return self.past[-1].picture.copy()

    def _keep(self, latent: Tensor, controls: Tensor, picture: np.ndarray) -> None:
        frame = Remembered(latent, controls, picture, self.world.config.tokenizer_hash)
        self.past = (*self.past, frame)[-self.world.network.config.window :]

    def _started(self) -> FrameCache:
        if self.cache is None:
            raise RuntimeError("an engine needs `reset` before it can go on")
        return self.cache

    def _check(self, scene: Scene) -> None:
        shape, (h, w) = scene.frames.shape, self.size
        if len(shape) != 4 or shape[0] < 1 or shape[1:] != (h, w, 3):
            raise UserError(
                f"the scene {scene.name} should have frames of {w}x{h}, found {list(shape)}; "
                "choose one of this world, or make one of a picture"
            )
        if scene.controls.shape != (shape[0], self.controls.size):
            raise UserError(
                f"the scene {scene.name} should have {self.controls.size} controls for each of "
                f"{shape[0]} frames, found {list(scene.controls.shape)}; choose another"
            )


def step_together(engines: Sequence[Engine], controls: Sequence[np.ndarray]) -> list[np.ndarray]:
    """One frame uint8 [h w 3] for each player; those with equal settings are one batch.

    A player's frames differ from those he would see alone only by rounding. Raises ValueError
    when a control is not float [k].
    """
    groups = defaultdict(list)
    frames: dict[int, np.ndarray] = {}
    for i, engine in enumerate(engines):
        if engine.over:
            frames[i] = engine._anew()
        else:
            groups[id(engine.world), engine.settings].append(i)
    for group in groups.values():
        with one_thread(engines[group[0]].speed != "plain"):
            made = _step([engines[i] for i in group], [controls[i] for i in group])
        frames.update(zip(group, made, strict=True))
    return [frames[i] for i in range(len(engines))]


@torch.inference_mode()
def _step(engines: list[Engine], controls: list[np.ndarray]) -> list[np.ndarray]:
    """One frame for players of one world with equal settings."""
    world, settings = engines[0].world, engines[0].settings
    keys, carrier = _controls(controls, world), world.carrier
    caches = [engine._started() for engine in engines]
    cache = caches[0] if len(caches) == 1 else join(caches)
    clock = Clock(world.device)
    noise = _noise(engines, START)
    # a remembered frame that was made noisy is not to be remembered again and again
    rest = 0.0 if settings.context_noise else settings.rest
    carried = carrier and carrier.carry(cache, keys, noise, rest)
    clock.lap("carry")
    latents = next_frame(
        world.network,
        cache,
        keys,
        noise,
        times=even_times(settings.steps),
        sampler=sampler_named(settings.sampler),
        fresh=lambda i: _noise(engines, f"{FRESH} {i}"),
        guidance=settings.guidance,
        clamp=world.tokenizer.clamp,
        carried=carried,
        warm_start=settings.warm_start,
        rest=rest,
    )
    clock.lap("looks")
    picture = picture_of(world.tokenizer, carrier, latents, carried)
    frames = to_uint8(picture).cpu().numpy()
    ends = [(False, True)] * len(engines)  # over, and looks so
    if world.ending:
        near = torch.tensor([engine.near for engine in engines])
        found = world.ending.over(cache.memory.picture, picture, near)
        ends = list(zip(*(each.tolist() for each in found), strict=True))
    clock.lap("decode")
    noise = _noise(engines, CONTEXT) if settings.context_noise else None
    remember(
        world.network, cache, latents, keys, settings.context_noise, noise,
        carried=carried, picture=picture if carrier else None,
        finishing_look=settings.finishing_look,
    )  # fmt: skip
    clock.lap("commit")
    for engine, own in zip(engines, [cache] if len(caches) == 1 else split(cache), strict=True):
        engine.cache = own
        engine.frame_index += 1
        engine.timings = clock.stages
    for engine, latent, own, frame, end in zip(engines, latents, keys, frames, ends, strict=True):
        engine._keep(latent.clone(), own.clone(), frame)  # without the rest of the batch
        engine.over, engine.near = end[0] and engine.beginning is not None, end[1]
    return list(frames)


def _controls(controls: list[np.ndarray], world: World) -> Tensor:
    """Controls of all players, float32 [b k]."""
    stacked = torch.as_tensor(np.array(controls, dtype=np.float32))
    if stacked.shape[1:] != (world.config.controls.size,):
        raise ValueError(f"controls must be [{world.config.controls.size}], not {stacked.shape}")
    return stacked.to(world.device)


def _noise(engines: list[Engine], use: str) -> Tensor:
    """Each player's own noise for the frame that comes next, [b n c]."""
    config = engines[0].world.config.world
    shape = config.grid[0] * config.grid[1], config.latent_channels
    drawn = [frame_noise(shape, e.seed, e.frame_index + 1, use) for e in engines]
    return torch.stack(drawn).to(engines[0].world.device)


def _own(memory: Memory) -> Memory:
    """The same memory without the rest of the batch that it was computed in."""

    def own(tensor: Tensor) -> Tensor:
        whole = tensor.untyped_storage().nbytes() == tensor.numel() * tensor.element_size()
        return tensor if whole else tensor.clone()

    return replace(memory, **{name: own(tensor) for name, tensor in vars(memory).items()})


def load_engine(folder: Path | str, device: str = "cpu", speed: str = "auto") -> Engine:
    """A player in the world of a checkpoint folder, before its first `reset`.

    Raises UserError: a missing or damaged checkpoint or scene, a device or speed that cannot be
    had here.
    """
    return Engine(load_world(Path(folder), device, speed))

"""Speed is a patch: rewrites of a loaded world's functions, checked against the plain ones.

`plain` is the truth: the networks as they were trained, in float32. `openvino` runs the same
operations, traced and fused; `openvino-bf16` with matrices and convolutions in bfloat16. `auto`
measures and takes the fastest that agrees; whoever needs bit-identical replay across starts names
one.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from worldmodel.diffusion.rollout import next_frame, prefill, remember
from worldmodel.diffusion.schedules import even_times
from worldmodel.errors import UserError
from worldmodel.model.cache import FrameCache
from worldmodel.model.carrier import Carrier, picture_of
from worldmodel.model.mapped import MappedCarrier
from worldmodel.model.motion import Motion
from worldmodel.model.outpainter import Outpainter
from worldmodel.model.tokenizer import Tokenizer, to_uint8
from worldmodel.model.transformer import WorldTransformer
from worldmodel.model.whereabouts import Whereabouts
from worldmodel.play.graphs import MotionGraphs, OutpainterGraphs, TokenizerGraphs, WorldGraphs
from worldmodel.play.noise import START, frame_noise

REWRITES = {"openvino": "f32", "openvino-bf16": "bf16"}
SPEEDS = ("auto", "plain", *REWRITES)
FARTHEST = {"openvino": 0.1, "openvino-bf16": 3.0}  # mean difference from plain, grey levels
TRIAL = 6  # frames that choose a speed
FUNCTIONS = (
    "predict", "memorise", "pictures", "latents", "carried", "picture", "begun", "opened", "guided",
    "forward",
)  # fmt: skip
CLEAR = 2.0  # times as fast as plain: bfloat16 that gains so much needs no trial of float32
GAIN = 1.15  # bfloat16 must win by this much, so that a little noise does not change the choice


@dataclass(frozen=True)
class Networks:
    """What a rewrite is put on; `motion` is None in worlds without."""

    world: WorldTransformer
    tokenizer: Tokenizer
    motion: Motion | None = None
    outpainter: Outpainter | None = None
    whereabouts: Whereabouts | None = None

    @property
    def carrier(self) -> Carrier | None:
        """What moves the last frame along as the keys say."""
        if not self.motion:
            return None
        parts = self.motion, self.tokenizer, self.outpainter
        return MappedCarrier(*parts, self.whereabouts) if self.whereabouts else Carrier(*parts)


@dataclass(frozen=True)
class Trial:
    """A rollout for comparison: latents [t n c], frames uint8 [t h w 3], seconds of the
    quickest frame (beside other work the median measures the other work)."""

    latents: Tensor
    frames: np.ndarray
    seconds: float


@dataclass(frozen=True)
class Speed:
    """What runs, and for `auto` the seconds a frame of each candidate that was measured."""

    name: str = "plain"
    measured: dict[str, float] = field(default_factory=dict)


def put_on(nets: Networks, name: str) -> None:
    """Replace the functions that make a frame by the rewrite `name`, or restore the plain ones."""
    for part in _parts(nets):
        for function in FUNCTIONS:
            part.pop(function, None)
    if name == "plain":
        return
    precision = REWRITES[name]
    world = WorldGraphs(nets.world, precision)
    nets.world.predict, nets.world.memorise = world.predict, world.memorise
    tokenizer = TokenizerGraphs(nets.tokenizer, precision)
    nets.tokenizer.pictures, nets.tokenizer.latents = tokenizer.pictures, tokenizer.latents
    if nets.motion:
        motion = MotionGraphs(nets.motion, nets.tokenizer, precision)
        nets.motion.carried, nets.motion.picture = motion.carried, motion.picture
    if nets.outpainter:
        painter = OutpainterGraphs(nets.outpainter, nets.tokenizer, precision)
        nets.outpainter.begun, nets.outpainter.guided = painter.begun, painter.guided
        nets.outpainter.forward, nets.outpainter.opened = painter.forward, painter.opened


@contextmanager
def plainly(nets: Networks) -> Iterator[None]:
    """The plain functions for as long as the context lasts."""
    parts = _parts(nets)
    rewrites = [{f: part.pop(f) for f in FUNCTIONS if f in part} for part in parts]
    try:
        yield
    finally:
        for part, rewritten in zip(parts, rewrites, strict=True):
            part.update(rewritten)


def _parts(nets: Networks) -> list[dict[str, object]]:
    """What is set on each of the networks that there are."""
    every = nets.world, nets.tokenizer, nets.motion, nets.outpainter
    return [vars(net) for net in every if net]


def choose(nets: Networks, name: str, context: tuple[Tensor, Tensor]) -> Speed:
    """Put the speed `name` on, checked against plain over a few frames after `context`.

    `context` is latents [t n c] and controls [t k]. Raises UserError when the speed is unknown,
    cannot be had on this machine or strays too far from the plain model.
    """
    if name not in SPEEDS:
        raise UserError(f"unknown speed {name!r}; choose one of {', '.join(SPEEDS)}")
    put_on(nets, "plain")
    if name == "plain" or (name == "auto" and nets.world.space.device.type != "cpu"):
        return Speed()
    plain = trial(nets, context)
    candidates = ("openvino-bf16", "openvino") if name == "auto" else (name,)
    found, reasons, on = {"plain": plain.seconds}, [], "plain"
    for candidate in candidates:
        if CLEAR * found.get("openvino-bf16", plain.seconds) < plain.seconds:
            break
        try:
            on = candidate
            put_on(nets, candidate)
            run = trial(nets, context)
        except (RuntimeError, ImportError) as error:  # something that this machine lacks
            reasons.append(f"{candidate} does not run here ({str(error).splitlines()[0]})")
            continue
        strays = difference(run.frames, plain.frames)
        if strays <= FARTHEST[candidate]:
            found[candidate] = run.seconds
        else:
            reasons.append(f"{candidate} strays {strays:.2f} grey levels from the plain model")
    if name != "auto" and name not in found:
        put_on(nets, "plain")
        raise UserError(f"the speed {name!r} cannot be had: {reasons[0]}; choose auto or plain")
    best = name if name != "auto" else fastest(found)
    if on != best:  # what is on has been compiled
        put_on(nets, best)
    return Speed(best, found)


def fastest(seconds: dict[str, float]) -> str:
    """The speed with the fewest seconds a frame; bfloat16 only when it clearly wins."""
    exact = {name: s for name, s in seconds.items() if name != "openvino-bf16"}
    best = min(exact, key=exact.__getitem__)
    half = seconds.get("openvino-bf16")
    return "openvino-bf16" if half is not None and half * GAIN < exact[best] else best


@torch.inference_mode()
def trial(
    nets: Networks, context: tuple[Tensor, Tensor], *, frames: int = TRIAL, steps: int = 2
) -> Trial:
    """Dream after a context with keys that change; the same noise and keys at every call."""
    latents, controls = context
    network, carrier = nets.world, nets.carrier
    cache, made, shown, seconds = network.empty_cache(), [], [], []
    prefill(network, cache, latents[None], controls[None], carrier)
    _fill(cache, network.config.window)
    for i in range(frames):
        keys = torch.zeros_like(controls[:1])
        keys[0, i // 4 % keys.shape[1]] = 1
        noise = frame_noise(tuple(latents.shape[1:]), 0, i, START).to(latents.device)[None]
        began = time.perf_counter()
        start = carrier and carrier.carry(cache, keys, noise)
        latent = next_frame(
            network, cache, keys, noise,
            times=even_times(steps), clamp=nets.tokenizer.clamp, carried=start,
        )  # fmt: skip
        picture = picture_of(nets.tokenizer, carrier, latent, start)
        remember(network, cache, latent, keys, carried=start, picture=carrier and picture)
        shown.append(to_uint8(picture)[0].cpu().numpy())
        seconds.append(time.perf_counter() - began)
        made.append(latent[0])
    return Trial(torch.stack(made), np.stack(shown), min(seconds))


def difference(a: np.ndarray, b: np.ndarray) -> float:
    """Mean absolute difference of two rollouts uint8, in grey levels."""
    return float(np.abs(a.astype(np.int16) - b).mean())


def _fill(cache: FrameCache, window: int) -> None:
    """Repeat what is remembered until the ring is full, as it is in play."""
    old = cache.memory
    count = int(old.count[0])
    if not 0 < count < window:
        return
    slots = torch.arange(window) % count
    keys, values = old.keys[:, :, :, slots], old.values[:, :, :, slots]
    full = torch.full_like(old.count, window)
    cache.restore(replace(old, keys=keys, values=values, count=full))

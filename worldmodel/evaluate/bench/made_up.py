"""A training stage at a preset on made-up data: the shapes are real, what is in them is noise."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from worldmodel.data.clips import FrameStore
from worldmodel.evaluate.flops import clip_frame, decoder, encoder, moving
from worldmodel.games.base import ControlSpace
from worldmodel.model.carrier import Carrier
from worldmodel.model.motion import Motion
from worldmodel.model.tokenizer import Tokenizer
from worldmodel.model.transformer import WorldTransformer
from worldmodel.presets import Preset, preset_named
from worldmodel.train.config import TrainConfig
from worldmodel.train.latents import LatentClips
from worldmodel.train.objectives.photometric import Photometric
from worldmodel.train.objectives.reconstruction import Reconstruction
from worldmodel.train.objectives.rectified_flow import RectifiedFlow

FRAMES = 256
CONTROLS = ControlSpace(buttons=tuple(f"button_{i}" for i in range(6)))


@dataclass(frozen=True, kw_only=True)
class Stage:
    """What `train` is given, what its forward pass amounts to in operations, and whether its last
    half dreams own pasts."""

    network: nn.Module
    objective: Any
    config: TrainConfig
    forward_flops: int
    own: bool = False


def made_up_stage(preset: str, stage: str, folder: Path, changes: dict[str, Any]) -> Stage:
    """A stage of a preset with fields of its training changed; data is written into `folder`.

    Raises UserError when there is no such preset.
    """
    sizes = preset_named(preset)
    config = replace(vars(sizes)[f"train_{stage}"], **changes)
    store = noise_store(folder, (sizes.tokenizer.height, sizes.tokenizer.width))
    torch.manual_seed(config.seed)
    return STAGES[stage](sizes, store, config)


def noise_store(folder: Path, size: tuple[int, int]) -> FrameStore:
    """Two episodes of noise as `prepare` would have written them."""
    half, draw = FRAMES // 2, np.random.default_rng(0)
    episodes = [
        {"name": str(i), "start": i * half, "stop": (i + 1) * half, "seed": i, "player": "none"}
        for i in range(2)
    ]
    about = {
        "source": "noise", "game": "none", "licence": "none", "fps": 20.0, "size": list(size),
        "controls": CONTROLS.to_json(), "episodes": episodes,
    }  # fmt: skip
    np.save(folder / "frames.npy", draw.integers(0, 256, (FRAMES, *size, 3), dtype=np.uint8))
    controls = draw.integers(0, 2, (FRAMES, CONTROLS.size)).astype(np.float32)
    np.save(folder / "controls.npy", controls)
    np.save(folder / "motion.npy", np.ones(FRAMES, np.float32))
    (folder / "episodes.json").write_text(json.dumps(about))
    return FrameStore(folder)


def latents_of(sizes: Preset) -> np.ndarray:
    """Latents float16 [frames n c] of nothing."""
    grid, channels = sizes.tokenizer.grid, sizes.tokenizer.latent_channels
    shape = FRAMES, grid[0] * grid[1], channels
    return np.random.default_rng(1).standard_normal(shape).astype(np.float16)


def tokenizer_stage(sizes: Preset, store: FrameStore, config: TrainConfig) -> Stage:
    network = Tokenizer(sizes.tokenizer).to(memory_format=torch.channels_last)
    objective = Reconstruction(store.frames, store.frames, batch=config.batch, seed=config.seed)
    flops = config.batch * (encoder(sizes.tokenizer) + decoder(sizes.tokenizer))
    return Stage(network=network, objective=objective, config=config, forward_flops=flops)


def motion_stage(sizes: Preset, store: FrameStore, config: TrainConfig) -> Stage:
    motion = replace(sizes.motion, controls=CONTROLS.size)
    network, latents = Motion(motion).to(memory_format=torch.channels_last), latents_of(sizes)
    tokens = Tokenizer(sizes.tokenizer).to(memory_format=torch.channels_last)
    objective = Photometric(store, latents, store, latents, config, tokens, motion)
    flops = config.batch * moving(motion)
    return Stage(network=network, objective=objective, config=config, forward_flops=flops)


def world_stage(sizes: Preset, store: FrameStore, config: TrainConfig) -> Stage:
    world = replace(sizes.world, controls=CONTROLS.size)
    network = WorldTransformer(world).to(memory_format=torch.channels_last)
    latents = latents_of(sizes)
    clips = LatentClips(store, latents, latents if world.history else None)
    tokens = Tokenizer(sizes.tokenizer).to(memory_format=torch.channels_last)
    mover = Motion(sizes.motion).to(memory_format=torch.channels_last)
    flow = replace(sizes.flow, own_last=0.5)
    carrier = Carrier(mover, tokens) if world.history else None
    objective = RectifiedFlow(clips, clips, tokens, config, flow, carrier)
    flops = config.batch * flow.clip * clip_frame(world, flow.clip)
    return Stage(
        network=network, objective=objective, config=config, forward_flops=flops,
        own=flow.own > 0,
    )  # fmt: skip


STAGES: dict[str, Callable[[Preset, FrameStore, TrainConfig], Stage]] = {
    "world": world_stage,
    "motion": motion_stage,
    "tokenizer": tokenizer_stage,
}

"""Stages that go on from a finished world: fewer looks, or a sharper decoder."""

import dataclasses
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn

from worldmodel.checkpoint import Checkpoint, save_checkpoint, tokenizer_hash
from worldmodel.data.clips import ClipSampler, FrameStore
from worldmodel.data.provenance import describe_checkpoint, read_sources, source_of
from worldmodel.diffusion.rollout import prefill, rollout
from worldmodel.model.carrier import Carrier
from worldmodel.model.critic import PatchCritic
from worldmodel.train.aside import draw_aside, set_aside
from worldmodel.train.config import TrainConfig
from worldmodel.train.devices import on_its_device
from worldmodel.train.finished import open_world, play_setting
from worldmodel.train.gradients import without_noise
from worldmodel.train.half import half
from worldmodel.train.jumps import with_jumps
from worldmodel.train.latents import LatentClips
from worldmodel.train.loop import train
from worldmodel.train.objectives.decoder_stage import (
    DecoderConfig,
    DecoderDuel,
    DecoderStage,
    Pool,
)
from worldmodel.train.objectives.distil_config import DistilConfig
from worldmodel.train.objectives.distillation import JUMPING, Distillation
from worldmodel.train.objectives.moment import Distilled
from worldmodel.train.stages import latent_clips, note_configuration
from worldmodel.train.state import saved_step, write_atomically

JUDGED = 12  # clips in the figures of a decoder
PART = 16  # clips dreamed at once


@on_its_device
def train_distilled(
    data: Path, checkpoint: Path, run: Path, config: TrainConfig, distil: DistilConfig
) -> nn.Module:
    """Teach the world in the folder `checkpoint` on `data/train`; ends with `run/checkpoint`.

    Judged on training episodes kept aside. Raises UserError when world and data do not fit.
    """
    source = open_world(checkpoint, data)
    distil = fitting(distil, source)
    world = source.network
    if distil.objective in JUMPING:
        world = with_jumps(world)
    note_configuration(run, {"world": world.config, "distil": distil, "train": config})
    clips = latent_clips(FrameStore(data / "train"), source.tokenizer, source.motion, config)
    carrier = Carrier(source.motion, source.tokenizer) if source.motion else None
    window = source.config.world.window
    objective = Distillation(clips, source.tokenizer, carrier, config.parts(), distil, window)
    torch.manual_seed(config.seed)
    network = Distilled(world.to(memory_format=torch.channels_last).train())
    play = dataclasses.replace(
        source.config.play, steps=distil.looks, warm_start=distil.warm_start
    )  # fmt: skip
    about = dataclasses.replace(source.config, play=play, world=world.config)

    def publish(average: Distilled) -> None:
        save_checkpoint(
            run / "checkpoint", about, source.tokenizer, average.student, source.motion,
            source.outpainter, step=saved_step(run), **source.others,
        )  # fmt: skip
        sources = [source_of(clips.store), *read_sources(checkpoint)]
        describe_checkpoint(run / "checkpoint", about.title, sources)

    return train(network, objective, config, run, publish)


@on_its_device
def train_decoder(
    data: Path, checkpoint: Path, run: Path, config: TrainConfig, decoder: DecoderConfig
) -> nn.Module:
    """Sharpen the decoder of the world in `checkpoint`; ends with `run/checkpoint`.

    Encoder, motion and world stay as they are, so cached latents hold for the new tokenizer too,
    though its hash is another. The dreamed frames are kept in `run/pool.safetensors`.
    """
    source = open_world(checkpoint, data)
    world = source.network.requires_grad_(False).to(memory_format=torch.channels_last)
    note_configuration(run, {"decoder": decoder, "train": config})
    clips = latent_clips(FrameStore(data / "train"), source.tokenizer, source.motion, config)
    pool = dreamed_pool(run / "pool.safetensors", source, clips, config, decoder)
    judged = draw_aside(clips.store, source.tokenizer, JUDGED, source.config.world.window)
    torch.manual_seed(config.seed)
    critic = PatchCritic() if decoder.critic else None
    network = DecoderDuel(source.tokenizer, critic).to(memory_format=torch.channels_last)
    objective = DecoderStage(
        clips, pool, judged, world, source.motion, play_setting(source), config.parts(), decoder
    )

    def publish(average: DecoderDuel) -> None:
        tokenizer = average.tokenizer
        about = dataclasses.replace(source.config, tokenizer_hash=tokenizer_hash(tokenizer))
        parts = about, tokenizer, world, source.motion, source.outpainter
        save_checkpoint(run / "checkpoint", *parts, step=saved_step(run), **source.others)
        sources = [source_of(clips.store), *read_sources(checkpoint)]
        describe_checkpoint(run / "checkpoint", about.title, sources)

    return train(network, objective, config, run, publish)


@torch.no_grad()
def dreamed_pool(
    path: Path, world: Checkpoint, clips: LatentClips, config: TrainConfig, decoder: DecoderConfig
) -> Pool:
    """Frames that `world` dreams after training clips, as play does; read again from `path`."""
    window, store = world.config.world.window, clips.store
    learned, _ = set_aside(store.episodes)
    length = window + decoder.depth
    starts = np.sort(
        ClipSampler(learned, store.motion, length=length, seed=config.seed, moving=0.5).draw(
            0, decoder.pool
        )
    )
    rows = starts[:, None] + window + np.arange(decoder.depth)
    if path.is_file():
        return Pool(load_file(path)["latents"], rows)
    carrier = Carrier(world.motion, world.tokenizer) if world.motion else None
    draw, frames = torch.Generator().manual_seed(config.seed), []
    for part in np.array_split(starts, -(-len(starts) // PART)):
        latents, controls = clips.draw(part, length)[:2]
        cache = world.network.empty_cache(len(part))
        noise = torch.randn(latents[:, window:].shape, generator=draw)
        with half("cpu", wanted=config.bf16), without_noise():
            prefill(world.network, cache, latents[:, :window], controls[:, :window], carrier)
            dream = rollout(
                world.network, cache, controls[:, window:], noise, carrier=carrier,
                clamp=world.tokenizer.clamp, **play_setting(world),
            )  # fmt: skip
        frames.append(dream.float())
    write_atomically(path, {"latents": torch.cat(frames)}, {})
    return Pool(torch.cat(frames), rows)


def fitting(distil: DistilConfig, world: Checkpoint) -> DistilConfig:
    """Without motion there is nothing that could start warm."""
    return distil if world.motion else dataclasses.replace(distil, warm_start=0.0)

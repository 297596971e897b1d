"""The outpainter's stage: from prepared data and a tokenizer to its weights."""

import dataclasses
from pathlib import Path

import torch

from worldmodel.checkpoint import OUTPAINTER, save_network
from worldmodel.data.clips import FrameStore
from worldmodel.data.provenance import source_of
from worldmodel.model.outpainter import Outpainter, OutpainterConfig
from worldmodel.train.config import TrainConfig
from worldmodel.train.devices import on_its_device
from worldmodel.train.latents import encode_frames
from worldmodel.train.loop import train
from worldmodel.train.objectives.outpainting import Outpainting
from worldmodel.train.objectives.pushing import what_stays, whole_ways
from worldmodel.train.objectives.scored_outpainting import ScoredConfig, ScoredOutpainting
from worldmodel.train.ranks import in_turn
from worldmodel.train.stages import (
    _sources_of,
    note_configuration,
    note_sources,
    open_tokenizer,
)
from worldmodel.train.transfer import begin_with


@on_its_device
def train_outpainter(
    data: Path, tokenizer: Path, run: Path, sizes: OutpainterConfig, config: TrainConfig,
    start: Path | None = None, scored: ScoredConfig | None = None,
) -> Outpainter:  # fmt: skip
    """Train what dreams the off-screen on single frames; ends with `run/outpainter.safetensors`.

    A world's weights are a good `start`, and those of an outpainter one to be `scored` in pairs of
    dreams, after which few looks suffice.
    """
    scored = scored or ScoredConfig()
    tokens = open_tokenizer(tokenizer).requires_grad_(False)
    store, heldout = FrameStore(data / "train"), FrameStore(data / "heldout")
    sizes = dataclasses.replace(
        sizes, grid=tokens.config.grid, latent_channels=tokens.config.latent_channels
    )
    note_configuration(run, {"outpainter": sizes, "scored": scored, "train": config})
    note_sources(run, [source_of(store), *_sources_of(tokenizer)])
    stays = in_turn(lambda: what_stays(store, whole_ways(store)))  # is measured once
    latents, heldout_latents = None, None
    if not stays.any():  # frames as they are
        latents, heldout_latents = in_turn(
            lambda: [encode_frames(part, tokens, config) for part in (store, heldout)]
        )
    torch.manual_seed(config.seed)
    network = Outpainter(sizes).to(memory_format=torch.channels_last)
    if start:
        begin_with(network, start)
    parts = store, latents, heldout, heldout_latents, config.parts(), tokens, stays
    objective = Outpainting(*parts, opening=sizes.opening)
    if scored.scored:
        objective = ScoredOutpainting(objective, config.parts(), scored)
    return train(
        network, objective, config, run, lambda average: save_network(run / OUTPAINTER, average)
    )

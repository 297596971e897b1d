"""The stage that makes a finished world's tokenizer lighter."""

import dataclasses
from pathlib import Path
from typing import Any

import torch

from worldmodel.checkpoint import save_checkpoint, tokenizer_hash
from worldmodel.data.clips import FrameStore
from worldmodel.data.provenance import describe_checkpoint, read_sources, source_of
from worldmodel.errors import UserError
from worldmodel.model.tokenizer import Tokenizer
from worldmodel.train.config import TrainConfig
from worldmodel.train.devices import on_its_device
from worldmodel.train.finished import open_world
from worldmodel.train.loop import train
from worldmodel.train.objectives.lightening import Lightening, LighteningConfig
from worldmodel.train.stages import note_configuration
from worldmodel.train.state import saved_step
from worldmodel.train.transfer import begin_with

SEPARABLE = 2  # times as many channels inside of its blocks, unless the world's has such blocks


@on_its_device
def train_lighter(
    data: Path,
    checkpoint: Path,
    run: Path,
    config: TrainConfig,
    lightening: LighteningConfig,
    sizes: dict[str, Any],
    start: Path | None = None,
) -> Tokenizer:
    """Train a lighter tokenizer for the world in `checkpoint`; ends with `run/checkpoint`.

    `sizes` are fields of its TokenizerConfig that differ from the world's own. All else of the
    world stays as it is. Raises UserError when sizes and latents do not fit.
    """
    source = open_world(checkpoint, data)
    teacher = source.tokenizer
    own = {"separable": teacher.config.separable or SEPARABLE} | sizes
    about = dataclasses.replace(teacher.config, **own)
    if about == teacher.config:
        raise UserError(f"{checkpoint} has a tokenizer of these sizes; give others")
    note_configuration(run, {"tokenizer": about, "lightening": lightening, "train": config})
    store, heldout = FrameStore(data / "train"), FrameStore(data / "heldout")
    torch.manual_seed(config.seed)
    network = Tokenizer(about).to(memory_format=torch.channels_last)
    if start:
        begin_with(network, start)
    for name in ("mean", "deviation"):
        getattr(network, name).copy_(getattr(teacher, name))
    objective = Lightening(
        store.frames, heldout.frames, teacher, lightening,
        batch=config.parts().batch, seed=config.seed,
    )  # fmt: skip

    def publish(average: Tokenizer) -> None:
        world = dataclasses.replace(
            source.config, tokenizer=about, tokenizer_hash=tokenizer_hash(average)
        )
        parts = world, average, source.network, source.motion, source.outpainter
        save_checkpoint(run / "checkpoint", *parts, step=saved_step(run), **source.others)
        sources = [source_of(store), *read_sources(checkpoint)]
        describe_checkpoint(run / "checkpoint", world.title, sources)

    return train(network, objective, config, run, publish)

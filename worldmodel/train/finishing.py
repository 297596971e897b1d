"""Stages that go on from a finished world."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from worldmodel.checkpoint import Checkpoint, save_checkpoint
from worldmodel.data.clips import FrameStore
from worldmodel.data.provenance import describe_checkpoint, read_sources, source_of
from worldmodel.errors import UserError
from worldmodel.model.carrier import Carrier
from worldmodel.model.critic import Critic, CriticConfig
from worldmodel.train.config import TrainConfig
from worldmodel.train.devices import on_its_device
from worldmodel.train.finished import open_world
from worldmodel.train.loop import train
from worldmodel.train.objectives.adversarial import Adversarial, AdversarialConfig, WithCritic
from worldmodel.train.objectives.rectified_flow import FlowConfig, RectifiedFlow
from worldmodel.train.objectives.scoring import Scoring, ScoringConfig
from worldmodel.train.stages import latent_clips, note_configuration
from worldmodel.train.state import saved_step


@on_its_device
def train_adversarial(
    data: Path,
    checkpoint: Path,
    run: Path,
    config: TrainConfig,
    flow: FlowConfig,
    adversarial: AdversarialConfig,
) -> nn.Module:
    """Sharpen the world in the folder `checkpoint` on `data` with a critic beside it.

    Ends with `run/checkpoint`. Raises UserError for a world without motion, which has nothing to
    start from, and for data that do not fit it.
    """
    source = _moving_world(checkpoint, data)
    critic = CriticConfig(
        grid=source.config.world.grid, latent_channels=source.config.world.latent_channels
    )
    note_configuration(
        run,
        {
            "world": source.config.world,
            "critic": critic,
            "flow": flow,
            "adversarial": adversarial,
            "train": config,
        },
    )
    base = _flow_of(source, data, config, flow)
    torch.manual_seed(config.seed)
    network = WithCritic(source.network.train(), Critic(critic)).to(
        memory_format=torch.channels_last
    )
    objective = Adversarial(base, base.carrier, adversarial)
    publish = _publisher(source, data, run, flow)
    return train(network, objective, config, run, lambda average: publish(average.world))


@on_its_device
def train_scoring(
    data: Path,
    checkpoint: Path,
    run: Path,
    config: TrainConfig,
    flow: FlowConfig,
    scoring: ScoringConfig,
) -> nn.Module:
    """Sharpen the world in the folder `checkpoint` on `data` by scoring its dreams in pairs.

    Ends with `run/checkpoint`. Raises UserError as `train_adversarial` does.
    """
    source = _moving_world(checkpoint, data)
    parts = {"world": source.config.world, "flow": flow, "scoring": scoring, "train": config}
    note_configuration(run, parts)
    base = _flow_of(source, data, config, flow)
    network = source.network.train().to(memory_format=torch.channels_last)
    objective = Scoring(base, base.carrier, scoring)
    return train(network, objective, config, run, _publisher(source, data, run, flow))


def _moving_world(checkpoint: Path, data: Path) -> Checkpoint:
    source = open_world(checkpoint, data)
    if source.motion is None:
        raise UserError(
            f"{checkpoint} has no motion network, which this stage needs; train a world with "
            "`worldmodel train world --motion`"
        )
    return source


def _flow_of(
    source: Checkpoint, data: Path, config: TrainConfig, flow: FlowConfig
) -> RectifiedFlow:
    """The objective that the world was trained by, on its data."""
    tokenizer, motion = source.tokenizer, source.motion
    train_set, heldout = (
        latent_clips(FrameStore(data / split), tokenizer, motion, config)
        for split in ("train", "heldout")
    )
    carrier = Carrier(motion, tokenizer)
    return RectifiedFlow(train_set, heldout, tokenizer, config.parts(), flow, carrier)


def _publisher(
    source: Checkpoint, data: Path, run: Path, flow: FlowConfig
) -> Callable[[nn.Module], None]:
    """Writes a world into `run/checkpoint`, with what it was trained on."""
    sources = [source_of(FrameStore(data / "train")), *read_sources(source.folder)]
    play = dataclasses.replace(source.config.play, steps=flow.steps, warm_start=flow.warm_start)
    about, folder = dataclasses.replace(source.config, play=play), run / "checkpoint"

    def publish(world: nn.Module) -> None:
        parts = about, source.tokenizer, world, source.motion, source.outpainter
        save_checkpoint(folder, *parts, step=saved_step(run), **source.others)
        describe_checkpoint(folder, about.title, sources)

    return publish

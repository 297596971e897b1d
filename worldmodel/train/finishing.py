"""Stages that go on from a finished world."""

import dataclasses
from pathlib import Path

import torch
from torch import nn

from worldmodel.checkpoint import save_checkpoint
from worldmodel.data.clips import FrameStore
from worldmodel.data.provenance import describe_checkpoint, read_sources, source_of
from worldmodel.errors import UserError
from worldmodel.model.critic import Critic, CriticConfig
from worldmodel.model.motion import Carrier
from worldmodel.train.config import TrainConfig
from worldmodel.train.devices import on_its_device
from worldmodel.train.finished import open_world
from worldmodel.train.loop import train
from worldmodel.train.objectives.adversarial import Adversarial, AdversarialConfig, WithCritic
from worldmodel.train.objectives.rectified_flow import FlowConfig, RectifiedFlow
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
    """Sharpen the world in the folder `checkpoint` on `data`; ends with `run/checkpoint`.

    Raises UserError for a world without motion, which has nothing to start from, and for data that
    do not fit it.
    """
    source = open_world(checkpoint, data)
    if source.motion is None:
        raise UserError(
            f"{checkpoint} has no motion network, which this stage needs; train a world with "
            "`worldmodel train world --motion`"
        )
    tokenizer, motion = source.tokenizer, source.motion
    critic = CriticConfig(
        grid=source.config.world.grid, latent_channels=source.config.world.latent_channels
    )
    parts = {"world": source.config.world, "critic": critic}
    note_configuration(run, {**parts, "flow": flow, "adversarial": adversarial, "train": config})
    stores = [FrameStore(data / split) for split in ("train", "heldout")]
    train_set, heldout = (latent_clips(store, tokenizer, motion, config) for store in stores)
    sources = [source_of(stores[0]), *read_sources(checkpoint)]
    torch.manual_seed(config.seed)
    network = WithCritic(source.network.train(), Critic(critic)).to(
        memory_format=torch.channels_last
    )
    carrier = Carrier(motion, tokenizer)
    base = RectifiedFlow(train_set, heldout, tokenizer, config.parts(), flow, carrier)
    play = dataclasses.replace(source.config.play, steps=flow.steps, warm_start=flow.warm_start)
    about = dataclasses.replace(source.config, play=play)

    def publish(average: nn.Module) -> None:
        step = saved_step(run)
        save_checkpoint(run / "checkpoint", about, tokenizer, average.world, motion, step=step)
        describe_checkpoint(run / "checkpoint", about.title, sources)

    return train(network, Adversarial(base, carrier, adversarial), config, run, publish)

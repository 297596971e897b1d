"""Stages that go on from a finished world."""

import dataclasses
from pathlib import Path

import torch
from torch import nn

from worldmodel.checkpoint import load_checkpoint, save_checkpoint
from worldmodel.data.clips import FrameStore
from worldmodel.errors import UserError
from worldmodel.model.critic import Critic, CriticConfig
from worldmodel.model.motion import Carrier
from worldmodel.train.config import TrainConfig
from worldmodel.train.loop import train
from worldmodel.train.objectives.adversarial import Adversarial, AdversarialConfig, WithCritic
from worldmodel.train.objectives.rectified_flow import FlowConfig, RectifiedFlow
from worldmodel.train.stages import latent_clips, note_configuration


def train_adversarial(
    data: Path,
    checkpoint: Path,
    run: Path,
    config: TrainConfig,
    flow: FlowConfig,
    adversarial: AdversarialConfig,
) -> nn.Module:
    """Sharpen the world in the folder `checkpoint` on `data`; ends with `run/checkpoint`.

    Raises UserError for a world without motion, which has nothing to start from.
    """
    source = load_checkpoint(checkpoint)
    if source.motion is None:
        raise UserError(
            f"{checkpoint} has no motion network, which this stage needs; train a world with "
            "`worldmodel train world --motion`"
        )
    tokenizer = source.tokenizer.to(memory_format=torch.channels_last)
    motion = source.motion.to(memory_format=torch.channels_last)
    critic = CriticConfig(
        grid=source.config.world.grid, latent_channels=source.config.world.latent_channels
    )
    parts = {"world": source.config.world, "critic": critic}
    note_configuration(run, {**parts, "flow": flow, "adversarial": adversarial, "train": config})
    train_set, heldout = (
        latent_clips(FrameStore(data / split), tokenizer, motion, config)
        for split in ("train", "heldout")
    )
    torch.manual_seed(config.seed)
    network = WithCritic(source.network.train(), Critic(critic)).to(
        memory_format=torch.channels_last
    )
    carrier = Carrier(motion, tokenizer)
    base = RectifiedFlow(train_set, heldout, tokenizer, config, flow, carrier)
    play = dataclasses.replace(source.config.play, steps=flow.steps, warm_start=flow.warm_start)
    about = dataclasses.replace(source.config, play=play)

    def publish(average: nn.Module) -> None:
        save_checkpoint(run / "checkpoint", about, tokenizer, average.world, motion)

    return train(network, Adversarial(base, carrier, adversarial), config, run, publish)

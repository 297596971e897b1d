"""A world that is not told how far its looks jump becomes one that can learn it."""

import dataclasses

import torch

from worldmodel.model.levels import LEVEL_WAVES
from worldmodel.model.transformer import WorldTransformer


@torch.no_grad()
def with_jumps(network: WorldTransformer) -> WorldTransformer:
    """The same network, told its jumps: what it answers is at first the same for every jump.

    The weights that read the jump's waves start at zero; what they added at jump 0, where all
    sines are 0 and all cosines 1, goes into the bias.
    """
    if network.config.jumps:
        return network
    told = WorldTransformer(dataclasses.replace(network.config, jumps=True))
    told.load_state_dict(network.state_dict())
    reading = told.levels[0]
    waves = reading.weight[:, -2 * LEVEL_WAVES :]  # of the jump: sines, then cosines
    reading.bias += waves[:, LEVEL_WAVES:].sum(dim=1)
    waves.zero_()
    return told.train(network.training)

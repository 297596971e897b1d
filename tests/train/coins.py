"""A world of coins: frames that nobody can foresee, whose mean no real frame ever is."""

import torch
from tiny import LATENTS, WORLD

from worldmodel.train.objectives.rectified_flow import FlowConfig

CLIPS, FRAMES = 4, 8


class Coins:
    """Stands in for the flow objective: every latent of every frame is a coin's toss, 1 or -1."""

    flow, seed, weights, frames_per_step = FlowConfig(clip=FRAMES), 0, 1.0, CLIPS * FRAMES

    def update_of(self, step):
        return step

    def known(self, step):
        return None

    def batch(self, step):
        draw = torch.Generator().manual_seed(step)
        shape = CLIPS, FRAMES, LATENTS, WORLD.latent_channels
        clean = torch.randint(0, 2, shape, generator=draw) * 2.0 - 1
        controls = torch.randint(0, 2, (CLIPS, FRAMES, WORLD.controls), generator=draw).float()
        carried = 0.1 * torch.randn(shape, generator=draw)
        carried[:, 0] = 0
        return clean, controls, carried

    def loss(self, network, batch, step):
        return sum(p.sum() * 0 for p in network.parameters()), {}

"""The smallest networks that have every part, with weights that make every part matter."""

from dataclasses import replace

import torch

from worldmodel.model.motion import Motion, MotionConfig
from worldmodel.model.outpainter import Outpainter, OutpainterConfig
from worldmodel.model.tokenizer import Tokenizer, TokenizerConfig
from worldmodel.model.transformer import WorldConfig, WorldTransformer
from worldmodel.train.config import TrainConfig

TOKENIZER = TokenizerConfig(
    height=16,
    width=48,
    latent_channels=4,
    fine=8,
    coarse=8,
    encoder_blocks=(1, 1),
    decoder_blocks=(1, 1),
)
WORLD = WorldConfig(
    grid=TOKENIZER.grid,  # 2 x 6 latents, 3 tokens
    latent_channels=4,
    controls=6,
    width=32,
    depth=3,
    heads=2,
    dense=(0, 2),
    window=4,
    features=8,
    stem_blocks=1,
    head_blocks=1,
)
MOTION = MotionConfig(
    grid=TOKENIZER.grid,
    latent_channels=4,
    controls=6,
    history=3,
    features=8,
    blocks=1,
    code=8,
)
OUTPAINTER = OutpainterConfig(
    opening=True,
    grid=TOKENIZER.grid,
    latent_channels=4,
    width=32,
    depth=2,
    heads=2,
    features=8,
    stem_blocks=1,
    head_blocks=1,
    looks=3,
)
MOVING_WORLD = replace(WORLD, history=MOTION.history)
LATENTS = WORLD.grid[0] * WORLD.grid[1]


def tokenizer() -> Tokenizer:
    return stirred(Tokenizer(TOKENIZER)).eval()


def world(config: WorldConfig = WORLD) -> WorldTransformer:
    network = stirred(WorldTransformer(config)).eval()
    network.rho.uniform_(0.3, 0.9)
    return network


def motion(**how: bool) -> Motion:
    return stirred(Motion(replace(MOTION, **how))).eval()


def outpainter() -> Outpainter:
    return stirred(Outpainter(OUTPAINTER)).eval()


def stirred(network: torch.nn.Module) -> torch.nn.Module:
    """Adds noise to all weights: parts that start at zero would hide mistakes."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return network


def clip(batch: int = 2, frames: int = 11) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Latents [b t n c], levels tau [b t] and controls [b t m] of a random clip."""
    latents = torch.randn(batch, frames, LATENTS, WORLD.latent_channels)
    controls = torch.randint(0, 2, (batch, frames, WORLD.controls)).float()
    return latents, torch.rand(batch, frames), controls


def quick(**changes) -> TrainConfig:
    """A run of a few updates, every second of which is logged; nothing else happens early."""
    usual = {
        "steps": 6,
        "batch": 4,
        "learning_rate": 3e-3,
        "warmup": 2,
        "log_every": 2,
        "validate_every": 1000,
        "picture_every": 1000,
        "save_every": 1000,
    }
    return TrainConfig(**usual | changes)

"""Presets: sizes of a world that belong together, with the training that suits them.

A preset is a starting point. Every field can be set on the command line in its place.
"""

from collections.abc import Callable
from dataclasses import dataclass

from worldmodel.errors import UserError
from worldmodel.model.motion import MotionConfig
from worldmodel.model.outpainter import OutpainterConfig
from worldmodel.model.tokenizer import TokenizerConfig
from worldmodel.model.transformer import WorldConfig
from worldmodel.train.config import TrainConfig
from worldmodel.train.objectives.rectified_flow import FlowConfig


@dataclass(frozen=True, kw_only=True)
class Preset:
    """Whole configurations of the three networks and of their training.

    What data and tokenizer decide (grid, latent channels, controls, history) is filled in by them.
    """

    about: str
    tokenizer: TokenizerConfig
    motion: MotionConfig
    world: WorldConfig
    outpainter: OutpainterConfig
    flow: FlowConfig
    train_tokenizer: TrainConfig
    train_motion: TrainConfig
    train_world: TrainConfig
    train_outpainter: TrainConfig


def nano() -> Preset:
    """Seconds a stage: to see every part move, not to play."""
    quick = {"warmup": 5, "log_every": 10}
    return Preset(
        about="tests and first steps, seconds a stage",
        tokenizer=TokenizerConfig(
            latent_channels=8, fine=16, coarse=32, encoder_blocks=(1, 1), decoder_blocks=(1, 1)
        ),
        motion=MotionConfig(latent_channels=8, features=16, blocks=1, code=16),
        world=WorldConfig(
            latent_channels=8, history=8, width=64, depth=3, heads=2, dense=(1,), window=8,
            features=16,
        ),
        outpainter=OutpainterConfig(
            latent_channels=8, width=64, depth=3, heads=2, features=16, opening=True
        ),
        flow=FlowConfig(clip=12),
        train_tokenizer=TrainConfig(steps=150, batch=8, learning_rate=3e-3, **quick),
        train_motion=TrainConfig(steps=60, batch=8, learning_rate=3e-3, bf16=False, **quick),
        train_world=TrainConfig(steps=60, batch=4, learning_rate=2e-3, **quick),
        train_outpainter=TrainConfig(steps=60, batch=8, learning_rate=2e-3, **quick),
    )  # fmt: skip


def cpu() -> Preset:
    """What ships: trains in an afternoon and plays at 60 frames a second on two cores."""
    return Preset(
        about="what ships: two processor cores",
        tokenizer=TokenizerConfig(separable=2),
        motion=MotionConfig(detail=True, offscreen=(6, 8)),
        world=WorldConfig(history=8),
        outpainter=OutpainterConfig(opening=True),
        flow=FlowConfig(),
        train_tokenizer=TrainConfig(
            steps=8000, batch=16, learning_rate=4e-3, betas=(0.9, 0.99)
        ),
        train_motion=TrainConfig(
            steps=6000, batch=32, learning_rate=3e-3, warmup=50, decay=0.4, ema=0.99, bf16=False
        ),
        train_world=TrainConfig(
            steps=2000, batch=8, learning_rate=1.5e-3, muon=True, warmup=100, ema=0.998
        ),
        train_outpainter=TrainConfig(
            steps=3600, batch=128, learning_rate=1.5e-3, muon=True, warmup=50, ema=0.998
        ),
    )  # fmt: skip


def small() -> Preset:
    """One GPU of a workstation."""
    return _for_gpus(
        "one GPU, a day",
        TokenizerConfig(height=192, width=256, fine=96, coarse=192, encoder_blocks=(1, 3),
                        decoder_blocks=(4, 3)),
        WorldConfig(grid=(24, 32), history=8, width=512, depth=12, heads=8, dense=(1, 5, 9),
                    window=16, features=128),
        motion=MotionConfig(grid=(24, 32), features=96, blocks=6, detail=True, offscreen=(12, 16)),
        flow=FlowConfig(clip=24), steps=100_000, batch=32,
    )  # fmt: skip


def base() -> Preset:
    """A machine with several large GPUs."""
    return _for_gpus(
        "several GPUs, days",
        TokenizerConfig(height=240, width=432, latent_channels=32, fine=128, coarse=256,
                        encoder_blocks=(2, 4), decoder_blocks=(6, 4)),
        WorldConfig(grid=(30, 54), latent_channels=32, history=8, width=1024, depth=16, heads=16,
                    dense=(1, 5, 9, 13), window=24, features=192),
        motion=MotionConfig(grid=(30, 54), latent_channels=32, features=128, blocks=8, detail=True,
                            offscreen=(15, 27)),
        flow=FlowConfig(clip=32), steps=200_000, batch=64,
    )  # fmt: skip


def large() -> Preset:
    """Many GPUs; about a thousand million parameters at nearly 360p."""
    return _for_gpus(
        "many GPUs, weeks",
        TokenizerConfig(height=352, width=640, latent_channels=32, fine=192, coarse=384,
                        encoder_blocks=(2, 4), decoder_blocks=(8, 4)),
        WorldConfig(grid=(44, 80), latent_channels=32, history=8, width=2048, depth=18, heads=32,
                    dense=(1, 5, 9, 13, 17), window=32, features=256),
        motion=MotionConfig(grid=(44, 80), latent_channels=32, features=192, blocks=8, detail=True,
                            offscreen=(22, 40)),
        flow=FlowConfig(clip=40), steps=400_000, batch=128,
    )  # fmt: skip


def _for_gpus(
    about: str, tokenizer: TokenizerConfig, world: WorldConfig, *, motion: MotionConfig,
    flow: FlowConfig, steps: int, batch: int,
) -> Preset:  # fmt: skip
    """Guesses: none of these sizes has been trained here. Rates fall with the width's root."""
    rate = 1.5e-3 * (192 / world.width) ** 0.5
    return Preset(
        about=about,
        tokenizer=tokenizer,
        motion=motion,
        world=world,
        outpainter=OutpainterConfig(
            grid=world.grid, latent_channels=world.latent_channels, width=world.width,
            depth=world.depth, heads=world.heads, features=world.features, opening=True,
        ),
        flow=flow,
        train_tokenizer=TrainConfig(steps=steps, batch=64, learning_rate=6e-4, betas=(0.9, 0.99)),
        train_motion=TrainConfig(steps=steps // 4, batch=64, learning_rate=1e-3, bf16=False),
        train_world=TrainConfig(
            steps=steps, batch=batch, learning_rate=rate, muon=True, warmup=1000, ema=0.9995,
            compile=True,
        ),
        train_outpainter=TrainConfig(
            steps=steps, batch=16 * batch, learning_rate=rate, muon=True, warmup=1000, ema=0.9995
        ),
    )  # fmt: skip


# of what learns from pictures alone
TOUCHING = TrainConfig(
    steps=3000, batch=96, learning_rate=2e-3, warmup=50, decay=0.4, ema=0.99, bf16=False,
    validate_every=1000, picture_every=1000,
)  # fmt: skip
ENDING = TrainConfig(
    steps=3000, batch=48, learning_rate=2e-3, weight_decay=0.05, warmup=50, decay=0.5, ema=0.99,
    bf16=False, validate_every=1500, picture_every=1500, save_every=1500,
)  # fmt: skip
# of stages that go on from a finished world
DISTILLING = TrainConfig(
    steps=600, batch=8, learning_rate=2e-4, warmup=20, ema=0.99, validate_every=100,
    picture_every=100, save_every=50,
)  # fmt: skip
DECODING = TrainConfig(
    steps=400, batch=12, learning_rate=3e-4, betas=(0.5, 0.95), warmup=10, ema=0.99,
    validate_every=100, picture_every=200, save_every=50,
)  # fmt: skip
FINISHING = TrainConfig(
    steps=600, batch=8, learning_rate=3e-4, betas=(0.5, 0.95), warmup=50, ema=0.995
)
LIGHTENING = TrainConfig(
    steps=6000, batch=16, learning_rate=2e-3, betas=(0.9, 0.95), warmup=50, decay=0.4, ema=0.995,
    bf16=False, validate_every=500, picture_every=1000, save_every=200,
)  # fmt: skip

PRESETS: dict[str, Callable[[], Preset]] = {
    make.__name__: make for make in (nano, cpu, small, base, large)
}


def preset_named(name: str) -> Preset:
    """The preset of that name; raises UserError when there is none."""
    if name not in PRESETS:
        raise UserError(f"unknown preset {name!r}; choose one of {', '.join(PRESETS)}")
    return PRESETS[name]()

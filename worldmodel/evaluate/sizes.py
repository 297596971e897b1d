"""What a preset amounts to: parameters, tokens, operations and memory, computed from its sizes."""

from collections.abc import Mapping

import torch
from torch import nn

from worldmodel.evaluate.flops import frame_flops
from worldmodel.model.motion import Motion
from worldmodel.model.tokenizer import Tokenizer
from worldmodel.model.transformer import WorldConfig, WorldTransformer
from worldmodel.presets import Preset

STATE_BYTES = 20  # a parameter in training: itself, its gradient, its average and AdamW's moments
KEPT_BYTES = 34  # of a token's width and a block, for the backward pass (arXiv 2205.05198, 4.1)
STEPS = 2  # looks a frame


def sizes(preset: Preset) -> dict[str, object]:
    """Figures of a preset, JSON-ready.

    Memory in GB: of training the world, its state and, estimated, what each clip of a batch adds
    without activation checkpointing; of playing it in float32.
    """
    with torch.device("meta"):  # shapes only
        networks: dict[str, nn.Module] = {
            "tokenizer": Tokenizer(preset.tokenizer),
            "motion": Motion(preset.motion),
            "world": WorldTransformer(preset.world),
        }
    millions = {
        name: sum(p.numel() for p in network.parameters()) / 1e6
        for name, network in networks.items()
    }
    world = preset.world
    kept = KEPT_BYTES * preset.flow.clip * world.tokens * world.width * world.depth
    flops = frame_flops(preset.tokenizer, world, preset.motion, STEPS)
    return {
        "about": preset.about,
        "frame": [preset.tokenizer.height, preset.tokenizer.width],
        "tokens_a_frame": world.tokens,
        "million_parameters": millions,
        "gflop_a_frame": sum(flops.values()) / 1e9,
        "training_gb": {"state": STATE_BYTES * millions["world"] / 1e3, "clip": kept / 1e9},
        "playing_gb": (4e6 * sum(millions.values()) + ring_bytes(world)) / 1e9,
    }


def ring_bytes(world: WorldConfig) -> int:
    """Keys and values in float32 that one player's cache holds."""
    return 2 * 4 * len(world.dense) * world.window * world.tokens * world.width


def print_sizes(figures: Mapping[str, Mapping[str, object]]) -> None:
    """A line for each preset."""
    print("preset  frame     tokens  million parameters of      GFLOP  training, GB  playing  for")
    print("                   a frame  tokenizer motion world    a frame  state  a clip     GB")
    for name, of in figures.items():
        height, width = of["frame"]
        parts, training = of["million_parameters"], of["training_gb"]
        print(
            f"{name:7} {f'{width}x{height}':9} {of['tokens_a_frame']:6} {parts['tokenizer']:9.2f} "
            f"{parts['motion']:7.2f} {parts['world']:7.2f} {of['gflop_a_frame']:9.2f} "
            f"{training['state']:6.2f} {training['clip']:7.3f} {of['playing_gb']:8.2f}   "
            f"{of['about']}"
        )

"""Commands that train.

Imports stand inside, so that `worldmodel --help` does not wait for PyTorch.
"""

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from pathlib import Path

from worldmodel.cli.command import Commands, Run, add_json
from worldmodel.cli.options import (
    add_changes,
    add_checkpoint,
    add_data,
    add_motion,
    add_run,
    add_tokenizer,
    changed,
)

TRAIN = {
    "steps": "updates of the weights",
    "batch": "frames (tokenizer), pairs (motion) or clips (world) in an update",
    "accumulate": "parts in which an update is computed; ranks of torchrun share them",
    "learning_rate": "highest learning rate",
    "betas": "decay rates of AdamW's two moments",
    "weight_decay": "decoupled weight decay",
    "muon": "Muon for the matrices of transformer blocks",
    "muon_scale": "Muon's learning rate in units of the learning rate",
    "warmup": "updates over which the learning rate rises",
    "decay": "share of the updates, at the end, over which it falls to zero",
    "clip_norm": "largest norm of a gradient",
    "ema": "decay of the averaged weights",
    "seed": "what weights, batches and noise are drawn from",
    "bf16": "bfloat16 matrix products",
    "compile": "torch.compile, which takes minutes to begin",
    "recompute": "compute activations again for the gradient: less memory, a third more work",
    "shard": "split weights and moments over the ranks of torchrun (FSDP2)",
    "device": "PyTorch device; auto is the rank's own GPU, or the processor",
    "threads": "processor threads; 0 leaves the choice to PyTorch",
    "log_every": "updates between two lines of the log",
    "validate_every": "updates between two held-out figures",
    "picture_every": "updates between two pictures",
    "save_every": "updates between two saved states",
}
TOKENIZER = {
    "height": "height of a frame in pixels",
    "width": "width of a frame in pixels",
    "latent_channels": "numbers in a latent of 8x8 pixels",
    "fine": "channels at a quarter of the resolution",
    "coarse": "channels at an eighth of the resolution",
    "encoder_blocks": "blocks of the encoder at a quarter and at an eighth",
    "decoder_blocks": "blocks of the decoder at an eighth and at a quarter",
    "separable": "separable convolutions with so many times as many channels inside; 0: full ones",
}
MOTION = {
    "history": "controls that it is told, the newest and those before",
    "features": "channels of its convolutions",
    "blocks": "convolution blocks",
    "placed": "whether it is told where in the picture something is, not only that it is",
    "momentum": "whether it is told its own last flow: what moves goes on moving",
    "measured": "whether its last flow between real frames is measured, with momentum",
    "detail": "whether what it moves keeps its detail, however blurred the latents",
    "bend": "mistrust a flow where it bends by more, in pixels a pixel; 0 trusts every flow",
    "offscreen": "rows and columns of latents on each side that are kept when out of view",
    "astray": "pixels by which flows may depart from a turn until that is forgotten; 0: never",
    "code": "numbers that the controls become",
}
PHOTOMETRIC = {
    "stays": "weight of what is lost where a picture had better not been moved",
    "rigid": "weight of the differences of neighbouring flow vectors: what cannot tell goes along",
    "guided": "weight of the flow's distance, in the mean, from a measured one",
    "rounds": "frames that a network with momentum is moved in a row",
    "sudden": "share of the pairs drawn by how suddenly the motion changes: who runs into a wall",
    "tries": "pairs drawn for each of the sudden ones, of which the worst are learned from",
    "soft": "share of the pairs that are seen more or less blurred, as old dreams are",
}
WORLD = {
    "width": "numbers in a token",
    "depth": "transformer blocks",
    "heads": "attention heads",
    "dense": "blocks, counted from 0, that attend to past frames",
    "window": "past frames that are remembered",
    "features": "channels of the convolutions around the transformer",
    "stem_blocks": "convolution blocks before the transformer",
    "head_blocks": "convolution blocks after the transformer",
}
OUTPAINTER = {name: text for name, text in WORLD.items() if name not in ("dense", "window")}
OUTPAINTER |= {
    "looks": "looks of the sampler, in play",
    "guidance": "by how much its first looks go further than without attention, in play; 1: not",
    "opening": "show it another moment of the episode, in play the picture that a dream began with",
}
SCORED = {
    "scored": "score pairs of dreams, so that an outpainter that is trained needs few looks",
    "own": "share of the frames of which something shown is dreamed, too, as in play",
    "perceptual": "weight of the score of what a trained network sees in the last look's pictures",
}
FLOW = {
    "clip": "frames of a training clip",
    "moving": "share of the clips drawn in proportion to their motion",
    "dropout": "share of the frames whose keys are hidden, for guidance",
    "warm_start": "noise level at which begins what the motion network has moved along",
    "own": "share of the clips whose past the world dreams itself, once that has begun",
    "own_last": "share of the run, at its end, in which pasts are dreamed",
    "floor": "weight of the loss at pure noise; at clean data it is 1",
}


SCORING = {
    "keep": "one update of so many keeps the flow",
    "known": "weight in the first look of places that motion knows",
    "rounds": "most rounds in which a past is dreamed: errors grow over as many frames",
}
ADVERSARIAL = {
    "weight": "of the critic's opinion",
    "regression": "of the squared error beside it",
    "penalty": "of the critic's slope",
    "spread": "of the noise by which the critic's slope is measured",
}


def presets(parser: ArgumentParser) -> Run:
    from worldmodel.evaluate.sizes import print_sizes, sizes
    from worldmodel.presets import PRESETS

    add_json(parser)

    def run(options: Namespace) -> None:
        figures = {name: sizes(make()) for name, make in PRESETS.items()}
        print(json.dumps(figures)) if options.json else print_sizes(figures)

    return run


def train_tokenizer(parser: ArgumentParser) -> Run:
    from worldmodel.presets import preset_named
    from worldmodel.train.stages import train_tokenizer

    add_data(parser)
    add_run(parser, "runs/tokenizer")
    add_start(parser)
    parser.add_argument(
        "--perceptual", type=float, default=0.0, metavar="N",
        help="weight of the distance of EfficientNet-lite0's features (default: 0)",
    )  # fmt: skip
    add_preset(parser, tokenizer=TOKENIZER, train_tokenizer=TRAIN)

    def run(options: Namespace) -> None:
        preset = preset_named(options.preset)
        sizes = changed(preset.tokenizer, options, TOKENIZER)
        config = changed(preset.train_tokenizer, options, TRAIN)
        train_tokenizer(
            options.data, options.run, sizes, config, options.start, perceptual=options.perceptual
        )

    return run


def train_motion(parser: ArgumentParser) -> Run:
    from worldmodel.presets import preset_named
    from worldmodel.train.objectives.photometric import PhotometricConfig
    from worldmodel.train.stages import train_motion

    add_data(parser)
    add_tokenizer(parser)
    add_run(parser, "runs/motion")
    add_start(parser)
    add_changes(parser, PhotometricConfig(), PHOTOMETRIC)
    add_preset(parser, motion=MOTION, train_motion=TRAIN)

    def run(options: Namespace) -> None:
        preset = preset_named(options.preset)
        sizes = changed(preset.motion, options, MOTION)
        config = changed(preset.train_motion, options, TRAIN)
        train_motion(
            options.data, options.tokenizer, options.run, sizes, config, options.start,
            weighed=changed(PhotometricConfig(), options, PHOTOMETRIC),
        )  # fmt: skip

    return run


def train_world(parser: ArgumentParser) -> Run:
    from worldmodel.presets import preset_named
    from worldmodel.train.stages import train_world

    add_data(parser)
    add_tokenizer(parser)
    add_motion(parser)
    add_run(parser, "runs/world")
    add_start(parser)
    add_preset(parser, world=WORLD, flow=FLOW, train_world=TRAIN)

    def run(options: Namespace) -> None:
        preset = preset_named(options.preset)
        sizes = changed(preset.world, options, WORLD)
        config = changed(preset.train_world, options, TRAIN)
        flow = changed(preset.flow, options, FLOW)
        train_world(
            options.data,
            options.tokenizer,
            options.run,
            sizes,
            config,
            flow,
            options.motion,
            options.start,
        )

    return run


def train_outpainter(parser: ArgumentParser) -> Run:
    from worldmodel.presets import preset_named
    from worldmodel.train.objectives.scored_outpainting import ScoredConfig
    from worldmodel.train.outpainting import train_outpainter

    add_data(parser)
    add_tokenizer(parser)
    add_run(parser, "runs/outpainter")
    add_start(parser)
    add_preset(parser, outpainter=OUTPAINTER, train_outpainter=TRAIN)
    add_changes(parser.add_argument_group("pairs of dreams"), ScoredConfig(), SCORED)

    def run(options: Namespace) -> None:
        preset = preset_named(options.preset)
        sizes = changed(preset.outpainter, options, OUTPAINTER)
        config = changed(preset.train_outpainter, options, TRAIN)
        scored = changed(ScoredConfig(), options, SCORED)
        where = options.data, options.tokenizer, options.run
        train_outpainter(*where, sizes, config, options.start, scored)

    return run


def train_adversarial(parser: ArgumentParser) -> Run:
    from worldmodel.train.finishing import train_adversarial
    from worldmodel.train.objectives.adversarial import AdversarialConfig

    return _finishing(parser, train_adversarial, AdversarialConfig(), ADVERSARIAL)


def train_scoring(parser: ArgumentParser) -> Run:
    from worldmodel.train.finishing import train_scoring
    from worldmodel.train.objectives.scoring import ScoringConfig

    return _finishing(parser, train_scoring, ScoringConfig(), SCORING)


def _finishing(
    parser: ArgumentParser, stage: Callable, config: object, texts: Mapping[str, str]
) -> Run:
    from worldmodel.presets import FINISHING, cpu

    add_data(parser)
    add_checkpoint(parser, "world to begin with")
    add_run(parser, "runs/sharp")
    parts = (FINISHING, TRAIN), (cpu().flow, FLOW), (config, texts)
    for part, about in parts:
        add_changes(parser, part, about)

    def run(options: Namespace) -> None:
        changes = (changed(part, options, about) for part, about in parts)
        stage(options.data, options.checkpoint, options.run, *changes)

    return run


def add_preset(parser: ArgumentParser, **texts: Mapping[str, str]) -> None:
    """--preset, and a flag for each field of these parts of it."""
    from worldmodel.presets import PRESETS, cpu

    parser.add_argument(
        "--preset",
        default="cpu",
        choices=PRESETS,
        help="sizes and training that the flags below change (default: cpu)",
    )
    for part, own in texts.items():
        title = "training" if part.startswith("train") else f"sizes of the {part}"
        add_changes(parser.add_argument_group(title), vars(cpu())[part], own)


def add_start(parser: ArgumentParser) -> None:
    text = "weights of another training that a new run begins with (.safetensors)"
    parser.add_argument("--start", type=Path, metavar="FILE", help=text)


COMMANDS: Commands = {
    "presets": (presets, "list the presets with their sizes and what they cost"),
    "train tokenizer": (train_tokenizer, "train the part that turns frames into latents and back"),
    "train motion": (train_motion, "train the part that moves the last frame as the keys say"),
    "train world": (train_world, "train the part that dreams the next frame"),
    "train outpainter": (train_outpainter, "train the part that dreams what is off-screen"),
    "train scoring": (train_scoring, "sharpen a finished world by scoring its dreams in pairs"),
    "train adversarial": (train_adversarial, "sharpen a finished world with a critic"),
}

"""Commands that say how good a world is, and train its yardstick.

Imports stand inside, so that `worldmodel --help` does not wait for PyTorch.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from worldmodel.cli.command import Commands, Run, add_json, report
from worldmodel.cli.options import add_options, changed, chosen
from worldmodel.cli.training import TRAIN, WORLD, add_preset, add_run

EVALUATE = {
    "clips": "held-out clips to judge on",
    "steps": "sampler steps a frame; the checkpoint's own unless given",
}


def evaluate(parser: ArgumentParser) -> Run:
    from worldmodel.evaluate.fidelity import evaluate

    parser.add_argument("checkpoint", type=Path, help="world to judge")
    parser.add_argument("data", type=Path, help="arrays that `worldmodel prepare` wrote")
    add_options(parser, evaluate, EVALUATE)
    add_json(parser)
    return lambda options: report(
        evaluate(options.checkpoint, options.data, **chosen(options, EVALUATE)), options.json
    )


def train_regression(parser: ArgumentParser) -> Run:
    from worldmodel.presets import preset_named
    from worldmodel.train.stages import train_regression

    parser.add_argument("data", type=Path, help="arrays that `worldmodel prepare` wrote")
    parser.add_argument("tokenizer", type=Path, help="run of a tokenizer, or its .safetensors file")
    parser.add_argument(
        "--motion", type=Path, help="run of a motion network, or its file (default: no motion)"
    )
    add_run(parser, "runs/regression")
    add_preset(parser, world=WORLD, train_world=TRAIN)

    def run(options: Namespace) -> None:
        preset = preset_named(options.preset)
        sizes = changed(preset.world, options, WORLD)
        config = changed(preset.train_world, options, TRAIN)
        train_regression(
            options.data, options.tokenizer, options.run, sizes, config, preset.flow.clip,
            options.motion,
        )  # fmt: skip

    return run


COMMANDS: Commands = {
    "train regression": (train_regression, "train a deterministic network to compare a world with"),
    "evaluate": (evaluate, "judge a world on held-out episodes"),
}

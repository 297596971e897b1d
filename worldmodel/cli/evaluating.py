"""Commands that say how good a world is, and train its yardstick.

Imports stand inside, so that `worldmodel --help` does not wait for PyTorch.
"""

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from worldmodel.cli.command import Commands, Run, add_json
from worldmodel.cli.options import (
    add_checkpoint,
    add_data,
    add_motion,
    add_options,
    add_run,
    add_tokenizer,
    changed,
    chosen,
)
from worldmodel.cli.training import TRAIN, WORLD, add_preset, add_start

EVALUATE = {
    "clips": "held-out clips to judge on",
    "horizon": "frames dreamed in each of them",
    "steps": "sampler steps a frame; the checkpoint's own unless given",
    "speed": "auto, plain, openvino or openvino-bf16",
    "drift_starts": "places where long dreams begin",
    "drift_frames": "frames of the longest dreams",
}
FILES = {
    "regression": "run of `worldmodel train regression` to compare with",
    "lpips": "vgg16.pt of stylegan3's metrics, for LPIPS proper",
    "fid": "inception-2015-12-05.pt of stylegan3's metrics, for FID proper",
    "fvd": "i3d_torchscript.pt, for FVD proper",
}


def evaluate(parser: ArgumentParser) -> Run:
    from worldmodel.evaluate.judge import ASKED, HELDOUT, SECTIONS, SPLITS, evaluate

    add_checkpoint(parser, "world to judge")
    add_data(parser)
    parser.add_argument(
        "--out", type=Path, help="folder of the report (default: runs/report-<name>)"
    )
    sections = (*SECTIONS, *ASKED)
    parser.add_argument(
        "--only", choices=sections, help="one section (default: all but sweep and ground)"
    )
    parser.add_argument(
        "--sweep", action="store_const", const="sweep", dest="only", help="short for --only sweep"
    )
    parser.add_argument(
        "--split", choices=SPLITS, default=HELDOUT,
        help="episodes to judge on: held-out ones, or of the training data, to choose by"
    )  # fmt: skip
    add_options(parser, evaluate, EVALUATE)
    for name, text in FILES.items():
        parser.add_argument(f"--{name}", type=Path, metavar="FILE", help=text)
    add_json(parser)

    def run(options: Namespace) -> None:
        files = {name: vars(options)[name] for name in FILES}
        record = evaluate(
            options.checkpoint, options.data, out=options.out, only=options.only,
            split=options.split, **chosen(options, EVALUATE), **files,
        )  # fmt: skip
        print(json.dumps(record)) if options.json else print_figures(record)

    return run


def print_figures(record: Mapping[str, Any]) -> None:
    """A line for each figure of a report."""
    for section in record["sections"]:
        print(section["title"])
        for name, figure in section["figures"].items():
            value, *ends = (_number(figure[part]) for part in ("value", "low", "high"))
            interval = f"({ends[0]} to {ends[1]})" if "-" not in ends else ""
            print(f"  {name:76} {value:>8} {interval:20} {figure['unit']}".rstrip())


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def train_regression(parser: ArgumentParser) -> Run:
    from worldmodel.presets import preset_named
    from worldmodel.train.stages import train_regression

    add_data(parser)
    add_tokenizer(parser)
    add_motion(parser)
    add_run(parser, "runs/regression")
    add_start(parser)
    add_preset(parser, world=WORLD, train_world=TRAIN)

    def run(options: Namespace) -> None:
        preset = preset_named(options.preset)
        sizes = changed(preset.world, options, WORLD)
        config = changed(preset.train_world, options, TRAIN)
        train_regression(
            options.data, options.tokenizer, options.run, sizes, config, preset.flow,
            options.motion, options.start,
        )  # fmt: skip

    return run


COMMANDS: Commands = {
    "train regression": (train_regression, "train a deterministic network to compare a world with"),
    "evaluate": (evaluate, "judge a world on held-out episodes"),
}

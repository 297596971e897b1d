"""Commands that measure.

Imports stand inside, so that `worldmodel --help` does not wait for PyTorch.
"""

from argparse import ArgumentParser
from pathlib import Path

from worldmodel.cli.command import Commands, Run, add_json
from worldmodel.cli.options import add_options, chosen

BENCH = {
    "frames": "frames to measure",
    "steps": "sampler steps a frame; the world's own unless given",
    "device": "PyTorch device",
    "speed": "auto, plain, openvino or openvino-bf16",
    "threads": "threads of PyTorch; its own choice unless given",
}


def bench_play(parser: ArgumentParser) -> Run:
    from worldmodel.evaluate.speed import bench_play, print_play

    parser.add_argument("checkpoint", type=Path, help="world to measure")
    add_options(parser, bench_play, BENCH)
    add_json(parser)
    return lambda options: print_play(
        bench_play(options.checkpoint, **chosen(options, BENCH)), as_json=options.json
    )


COMMANDS: Commands = {
    "bench play": (bench_play, "measure how fast this machine plays a world"),
}

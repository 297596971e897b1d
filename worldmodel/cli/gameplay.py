"""Commands that bring gameplay in: recording, preparing.

Imports stand inside, so that `worldmodel --help` does not wait for PyTorch.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from worldmodel.cli.command import Commands, Run
from worldmodel.cli.options import add_options, chosen

COLLECT = {
    "game": "game to play, as engine/scenario",
    "size": "height and width of a frame in pixels",
    "frames": "frames to record for training, at least",
    "heldout_frames": "frames to record for judging, at least",
    "workers": "games played at once; as many as cores unless given",
    "seed": "what players and games are drawn from",
    "shortest": "frames of an episode, at least",
    "longest": "frames of an episode, at most",
}


def collect(parser: ArgumentParser) -> Run:
    from worldmodel.data.collect import collect

    parser.add_argument("out", type=Path, help="folder for the episodes; one begun there goes on")
    add_options(parser, collect, COLLECT)
    return lambda options: collect(options.out, **chosen(options, COLLECT))


def prepare(parser: ArgumentParser) -> Run:
    from worldmodel.data.clips import FrameStore
    from worldmodel.data.prepare import prepare
    from worldmodel.data.report import describe

    parser.add_argument("data", type=Path, help="folder that `worldmodel collect` filled")
    parser.add_argument("--out", type=Path, help="folder for the arrays (default: DATA/arrays)")
    parser.add_argument("--workers", type=int, metavar="N", help="processes; the cores' number")

    def run(options: Namespace) -> None:
        out = prepare(options.data, options.out, workers=options.workers)
        for index in sorted(out.glob("*/episodes.json")):
            print(describe(FrameStore(index.parent)))

    return run


COMMANDS: Commands = {
    "collect": (collect, "have players play a game and record the episodes"),
    "prepare": (prepare, "decode the episodes once, into arrays for training"),
}

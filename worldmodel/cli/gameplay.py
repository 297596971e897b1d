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
    "players": "who play an episode each, in turn",
}


def collect(parser: ArgumentParser) -> Run:
    from worldmodel.data.collect import collect

    parser.add_argument("out", type=Path, help="folder for the episodes; one begun there goes on")
    add_options(parser, collect, COLLECT)
    return lambda options: collect(options.out, **chosen(options, COLLECT))


def prepare(parser: ArgumentParser) -> Run:
    from worldmodel.data.prepare import prepare

    parser.add_argument("data", type=Path, help="folder that `worldmodel collect` filled")
    parser.add_argument("--out", type=Path, help="folder for the arrays (default: DATA/arrays)")
    parser.add_argument("--workers", type=int, metavar="N", help="processes; the cores' number")
    tokenizer = "run of a tokenizer, or its .safetensors file: cache its latents, too"
    parser.add_argument("--tokenizer", type=Path, metavar="RUN", help=tokenizer)
    verify = "read everything again and compare it with its hashes"
    parser.add_argument("--verify", action="store_true", help=verify)

    def run(options: Namespace) -> None:
        out = prepare(options.data, options.out, workers=options.workers)
        folders = [index.parent for index in sorted(out.glob("[!.]*/episodes.json"))]
        if options.tokenizer:
            _encode(folders, options.tokenizer)
        if options.verify:
            _verify(out, folders)
        _describe(folders)

    return run


def _encode(folders: list[Path], tokenizer: Path) -> None:
    from worldmodel.data.clips import FrameStore
    from worldmodel.presets import cpu
    from worldmodel.train.latents import encode_frames
    from worldmodel.train.stages import open_tokenizer

    tokens = open_tokenizer(tokenizer)
    for folder in folders:
        encode_frames(FrameStore(folder), tokens, cpu().train_world)


def _verify(out: Path, folders: list[Path]) -> None:
    from worldmodel.data.latents import verify_latents
    from worldmodel.data.prepare import verify

    episodes, latents = verify(out), sum(map(verify_latents, folders))
    print(f"{episodes} episodes and {latents} files of latents are as they were written")


def _describe(folders: list[Path]) -> None:
    from worldmodel.data.clips import FrameStore
    from worldmodel.data.report import describe

    for folder in folders:
        print(describe(FrameStore(folder)))


COMMANDS: Commands = {
    "collect": (collect, "have players play a game and record the episodes"),
    "prepare": (prepare, "decode the episodes once, into arrays for training"),
}

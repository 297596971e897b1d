"""Commands that measure.

Imports stand inside, so that `worldmodel --help` does not wait for PyTorch.
"""

import inspect
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from worldmodel.cli.command import Commands, Run, add_json
from worldmodel.cli.options import add_checkpoint, add_options, chosen, settings_of

MEASURED = "world to measure"
BENCH = {
    "frames": "frames to measure",
    "steps": "sampler steps a frame; the world's own unless given",
    "players": "numbers of players who are stepped as one batch",
    "device": "PyTorch device",
    "speed": "auto, plain, openvino or openvino-bf16",
    "threads": "threads of PyTorch; its own choice unless given",
}
BENCH_TRAIN = {
    "preset": "sizes and training, as `worldmodel presets` lists them",
    "stage": "world, motion or tokenizer",
    "updates": "updates to measure",
    "batch": "frames (tokenizer), pairs (motion) or clips (world) in an update; the preset's own "
    "unless given",
    "bf16": "bfloat16 matrix products where the preset has them",
    "compile": "torch.compile, which takes minutes to begin",
    "threads": BENCH["threads"],
}
BENCH_SERVE = {
    "players": "numbers of players who are there at once",
    "seconds": "seconds to measure",
    "stub": "serve the opening scenes without the model: what serving costs alone",
    "fps": "frames a second that each player asks for, with --stub; the world's own unless given",
    "device": BENCH["device"],
    "speed": BENCH["speed"],
    "threads": BENCH["threads"],
}
BENCH_DECODE = {
    "heights": "heights of pictures in pixels, multiples of 8",
    "threads": "numbers of threads",
    "speeds": "plain, openvino, openvino-bf16",
    "repeats": "pictures to measure",
}
BENCH_ATTENTION = {
    "windows": "frames of the past that are attended to",
    "players": "numbers of players in a batch",
    "speeds": "plain, openvino, openvino-bf16",
    "repeats": "repetitions to measure",
    "threads": BENCH["threads"],
}


def bench_play(parser: ArgumentParser) -> Run:
    from worldmodel.evaluate.bench.play import bench_play, sample_play

    add_checkpoint(parser, MEASURED)
    return _bench(parser, bench_play, sample_play, BENCH, "a frame for one player")


def bench_train(parser: ArgumentParser) -> Run:
    from worldmodel.evaluate.bench.train import bench_train, sample_train

    return _bench(parser, bench_train, sample_train, BENCH_TRAIN, "a frame of training")


def bench_serve(parser: ArgumentParser) -> Run:
    from worldmodel.evaluate.bench.serve import bench_serve, sample_serve

    add_checkpoint(parser, MEASURED)
    return _bench(parser, bench_serve, sample_serve, BENCH_SERVE, "from a key to its frame")


def bench_decode(parser: ArgumentParser) -> Run:
    from worldmodel.evaluate.bench.decode import bench_decode, sample_decode

    add_checkpoint(parser, MEASURED)
    return _bench(parser, bench_decode, sample_decode, BENCH_DECODE, "a picture")


def bench_attention(parser: ArgumentParser) -> Run:
    from worldmodel.evaluate.bench.attention import bench_attention, sample_attention

    add_checkpoint(parser, MEASURED)
    what = "a block's attention for one player"
    return _bench(parser, bench_attention, sample_attention, BENCH_ATTENTION, what)


def _bench(
    parser: ArgumentParser, bench: Callable, sample: Callable, texts: Mapping[str, str], unit: str
) -> Run:
    """A bench, or with --compare its sample in turns under two settings."""
    from worldmodel.evaluate.bench.compare import PAIRS, compare
    from worldmodel.evaluate.bench.report import print_report

    add_options(parser, bench, texts)
    names = ", ".join(inspect.signature(sample).parameters)
    parser.add_argument(
        "--compare",
        nargs=2,
        metavar=("A", "B"),
        help="measure two settings in turns and print the ratio of their times; each is such as "
        f"threads=1, or several with commas between them, of {names}; a bare word is a checkpoint",
    )
    parser.add_argument(
        "--pairs", type=int, default=PAIRS, metavar="N", help=f"pairs to compare (default: {PAIRS})"
    )
    add_json(parser)

    def run(options: Namespace) -> None:
        given = chosen(options, texts)
        given |= {"checkpoint": options.checkpoint} if "checkpoint" in options else {}
        if options.compare:
            samples = {
                f"{side}: {text}": sample(**_common(given, sample) | settings_of(text, sample))
                for side, text in zip("AB", options.compare, strict=True)
            }
            figures = compare(samples, unit, options.pairs)
        else:
            figures = bench(**given)
        print_report(figures, as_json=options.json)

    return run


def _common(given: dict[str, Any], sample: Callable) -> dict[str, Any]:
    """What holds for both sides: flags that a sample has too, of one value each."""
    has = inspect.signature(sample).parameters
    return {k: v for k, v in given.items() if k in has and not isinstance(v, tuple)}


def bench_all(parser: ArgumentParser) -> Run:
    from worldmodel.evaluate.bench.everything import bench_all

    add_checkpoint(parser, MEASURED)
    parser.add_argument("out", type=Path, help="file that gets a line of JSON for each")
    return lambda options: bench_all(options.checkpoint, options.out)


def bench_page(parser: ArgumentParser) -> Run:
    from worldmodel.evaluate.bench.page import write_page

    parser.add_argument("figures", type=Path, help="what `worldmodel bench all` wrote")
    parser.add_argument("page", type=Path, help="page that gets the tables, between its markers")
    return lambda options: write_page(options.figures, options.page)


COMMANDS: Commands = {
    "bench play": (bench_play, "measure how fast this machine plays a world"),
    "bench train": (bench_train, "measure how fast this machine trains at a preset"),
    "bench serve": (bench_serve, "measure the page's server under several players"),
    "bench decode": (bench_decode, "measure how fast latents become pictures of several sizes"),
    "bench attention": (bench_attention, "measure attention over the past by window and players"),
    "bench all": (bench_all, "run all of these, each in a process of its own"),
    "bench page": (bench_page, "write the figures of `bench all` into a page"),
}

"""The commands. Each is a function that adds its flags to a parser and returns what runs it.

Their imports stand inside, so that `worldmodel --help` does not wait for PyTorch.
"""

import importlib.util
import json
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType

from worldmodel.cli.options import (
    BENCH,
    COLLECT,
    EVALUATE,
    FLOW,
    MOTION,
    TOKENIZER,
    TRAIN,
    WINDOW,
    WORLD,
    add_changes,
    add_options,
    changed,
    chosen,
)
from worldmodel.errors import UserError

Run = Callable[[Namespace], int | None]
WALK = "KeyW:12 ArrowLeft:8 none:3 ArrowRight:8 KeyS:6"


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


def train_tokenizer(parser: ArgumentParser) -> Run:
    from worldmodel.presets import preset_named
    from worldmodel.train.stages import train_tokenizer

    parser.add_argument("data", type=Path, help="arrays that `worldmodel prepare` wrote")
    _add_run(parser, "runs/tokenizer")
    _add_preset(parser, tokenizer=TOKENIZER, train_tokenizer=TRAIN)

    def run(options: Namespace) -> None:
        preset = preset_named(options.preset)
        sizes = changed(preset.tokenizer, options, TOKENIZER)
        config = changed(preset.train_tokenizer, options, TRAIN)
        train_tokenizer(options.data, options.run, sizes, config)

    return run


def train_motion(parser: ArgumentParser) -> Run:
    from worldmodel.presets import preset_named
    from worldmodel.train.stages import train_motion

    parser.add_argument("data", type=Path, help="arrays that `worldmodel prepare` wrote")
    parser.add_argument("tokenizer", type=Path, help="run of a tokenizer, or its .safetensors file")
    _add_run(parser, "runs/motion")
    _add_preset(parser, motion=MOTION, train_motion=TRAIN)

    def run(options: Namespace) -> None:
        preset = preset_named(options.preset)
        sizes = changed(preset.motion, options, MOTION)
        config = changed(preset.train_motion, options, TRAIN)
        train_motion(options.data, options.tokenizer, options.run, sizes, config)

    return run


def train_world(parser: ArgumentParser) -> Run:
    from worldmodel.presets import preset_named
    from worldmodel.train.stages import train_world

    parser.add_argument("data", type=Path, help="arrays that `worldmodel prepare` wrote")
    parser.add_argument("tokenizer", type=Path, help="run of a tokenizer, or its .safetensors file")
    parser.add_argument(
        "--motion", type=Path, help="run of a motion network, or its file (default: no motion)"
    )
    _add_run(parser, "runs/world")
    _add_preset(parser, world=WORLD, flow=FLOW, train_world=TRAIN)

    def run(options: Namespace) -> None:
        preset = preset_named(options.preset)
        sizes = changed(preset.world, options, WORLD)
        config = changed(preset.train_world, options, TRAIN)
        flow = changed(preset.flow, options, FLOW)
        train_world(
            options.data, options.tokenizer, options.run, sizes, config, flow, options.motion
        )

    return run


def _add_preset(parser: ArgumentParser, **texts: Mapping[str, str]) -> None:
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


def presets(parser: ArgumentParser) -> Run:
    from worldmodel.evaluate.sizes import print_sizes, sizes
    from worldmodel.presets import PRESETS

    _add_json(parser)

    def run(options: Namespace) -> None:
        figures = {name: sizes(make()) for name, make in PRESETS.items()}
        print(json.dumps(figures)) if options.json else print_sizes(figures)

    return run


def _add_run(parser: ArgumentParser, default: str) -> None:
    text = f"folder of the run; one begun there goes on (default: {default})"
    parser.add_argument("--run", type=Path, default=Path(default), help=text)


def scenes(parser: ArgumentParser) -> Run:
    from worldmodel.train.scenes import write_scenes

    parser.add_argument("data", type=Path, help="arrays that `worldmodel prepare` wrote")
    parser.add_argument("checkpoint", type=Path, help="world that gets the scenes")
    parser.add_argument("--count", type=int, default=8, metavar="N", help="scenes (default: 8)")
    parser.add_argument(
        "--row",
        type=_named_row,
        action="append",
        default=[],
        metavar="NAME=N",
        help="a scene by its name and first held-out frame, not by choice (repeatable)",
    )
    return lambda options: write_scenes(
        options.data, options.checkpoint, count=options.count, rows=dict(options.row)
    )


def _named_row(text: str) -> tuple[str, int]:
    name, _, row = text.partition("=")
    if not name.replace("-", "").isalnum():
        raise ValueError("a name has letters, digits and hyphens")
    return name, int(row)


def play(parser: ArgumentParser) -> Run:
    from worldmodel.play.window import run_window

    world = Path("checkpoints/doom")
    parser.add_argument(
        "checkpoint", type=Path, nargs="?", default=world, help=f"world to play (default: {world})"
    )
    parser.add_argument("--window", action="store_true", help="a desktop window, not the page")
    parser.add_argument("--device", default="cpu", help="PyTorch device (default: cpu)")
    parser.add_argument("--speed", default="auto", help="engine's speed setting (default: auto)")
    page = parser.add_argument_group("the page")
    page.add_argument("--host", default="127.0.0.1", help="address (default: 127.0.0.1)")
    page.add_argument("--port", type=int, default=7860, help="port (default: 7860)")
    page.add_argument("--players", type=int, default=2, help="who play at once (default: 2)")
    page.add_argument("--no-browser", action="store_true", help="do not open a browser")
    add_options(parser.add_argument_group("the window"), run_window, WINDOW)
    return lambda options: (_play_window if options.window else _play_page)(options)


def _play_window(options: Namespace) -> None:
    from worldmodel.play.window import run_window

    run_window(
        options.checkpoint, device=options.device, speed=options.speed, **chosen(options, WINDOW)
    )


def _play_page(options: Namespace) -> int:
    arguments = ["--world", str(options.checkpoint)]
    for name in ("host", "port", "players", "device", "speed"):
        arguments += [f"--{name}", str(vars(options)[name])]
    return _application().main([*arguments, *(["--no-browser"] if options.no_browser else [])])


def _application() -> ModuleType:
    """app.py, which stands beside the package and not in it."""
    path = Path(__file__).resolve().parents[2] / "app.py"
    spec = importlib.util.spec_from_file_location("app", path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise UserError(
            f"the page is app.py of the repository, and {path} is not there; run `pip install -e .`"
            " in the repository, or play in a window with --window"
        )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def film(parser: ArgumentParser) -> Run:
    from worldmodel.play.engine import load_engine
    from worldmodel.play.film import film

    parser.add_argument("checkpoint", type=Path, help="world to dream in")
    parser.add_argument("out", type=Path, help="animated WebP to write")
    parser.add_argument("--scene", action="append", required=True, help="opening (repeatable)")
    parser.add_argument("--keys", default=WALK, help=f"keys and frames held (default: {WALK})")
    parser.add_argument("--seed", type=int, default=0, help="of the noise (default: 0)")
    parser.add_argument("--scale", type=int, default=3, help="enlargement (default: 3)")
    parser.add_argument("--speed", default="plain", help="engine's speed (default: plain)")
    return lambda options: film(
        load_engine(options.checkpoint, speed=options.speed),
        options.out,
        scenes=options.scene,
        script=options.keys,
        seed=options.seed,
        scale=options.scale,
    )


def bench_play(parser: ArgumentParser) -> Run:
    from worldmodel.evaluate.speed import bench_play, print_play

    parser.add_argument("checkpoint", type=Path, help="world to measure")
    add_options(parser, bench_play, BENCH)
    _add_json(parser)
    return lambda options: print_play(
        bench_play(options.checkpoint, **chosen(options, BENCH)), as_json=options.json
    )


def evaluate(parser: ArgumentParser) -> Run:
    from worldmodel.evaluate.fidelity import evaluate

    parser.add_argument("checkpoint", type=Path, help="world to judge")
    parser.add_argument("data", type=Path, help="arrays that `worldmodel prepare` wrote")
    add_options(parser, evaluate, EVALUATE)
    _add_json(parser)
    return lambda options: _report(
        evaluate(options.checkpoint, options.data, **chosen(options, EVALUATE)), options.json
    )


def _add_json(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON (default: a table)")


def _report(figures: Mapping[str, object], as_json: bool) -> None:
    """Print figures: as JSON, or a line each; [mean, low, high] becomes mean (low to high)."""
    if as_json:
        print(json.dumps(figures, indent=2))
        return
    for name, value in figures.items():
        if isinstance(value, list) and len(value) == 3:
            value = "{:.4g}  ({:.4g} to {:.4g})".format(*value)
        print(f"{name:40} {value:.4g}" if isinstance(value, float) else f"{name:40} {value}")


COMMANDS: dict[str, tuple[Callable[[ArgumentParser], Run], str]] = {
    "collect": (collect, "have players play a game and record the episodes"),
    "prepare": (prepare, "decode the episodes once, into arrays for training"),
    "presets": (presets, "list the presets with their sizes and what they cost"),
    "train tokenizer": (train_tokenizer, "train the part that turns frames into latents and back"),
    "train motion": (train_motion, "train the part that moves the last frame as the keys say"),
    "train world": (train_world, "train the part that dreams the next frame"),
    "scenes": (scenes, "give a world opening scenes from held-out episodes"),
    "play": (play, "play a world on a page in the browser, or in a window"),
    "film": (film, "dream under a script of keys and write a moving picture"),
    "bench play": (bench_play, "measure how fast this machine plays a world"),
    "evaluate": (evaluate, "judge a world on held-out episodes"),
}

"""Commands in which somebody plays.

Imports stand inside, so that `worldmodel --help` does not wait for PyTorch.
"""

import importlib.util
from argparse import ArgumentParser, Namespace
from pathlib import Path
from types import ModuleType

from worldmodel.cli.command import Commands, Run
from worldmodel.cli.options import add_options, chosen
from worldmodel.errors import UserError

WINDOW = {
    "scene": "opening scene by its name; the first one unless given",
    "picture": "picture to begin in, not a scene",
    "seed": "what the dream is drawn from",
    "steps": "sampler steps a frame; the checkpoint's own unless given",
    "guidance": "guidance scale; the checkpoint's own unless given",
    "scale": "window pixels to a pixel of the world",
}

WALK = "KeyW:12 ArrowLeft:8 none:3 ArrowRight:8 KeyS:6"


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


COMMANDS: Commands = {
    "play": (play, "play a world on a page in the browser, or in a window"),
    "film": (film, "dream under a script of keys and write a moving picture"),
}

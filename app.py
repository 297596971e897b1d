"""The web application: `python app.py` serves the worlds in checkpoints/ to a browser."""

import argparse
import os
import sys
import threading
import webbrowser
from concurrent.futures import Future
from pathlib import Path

from worldmodel.errors import UserError
from worldmodel.play.threads import wait_asleep
from worldmodel.serve.address import free_port
from worldmodel.serve.limits import Limits
from worldmodel.serve.worlds import Backend, CheckpointBackend, Library, find_worlds

HERE = Path(__file__).resolve().parent


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """The command line; argparse itself exits with 2 and a sentence on nonsense."""
    parser = argparse.ArgumentParser(
        prog="app.py", description="Play the worlds in checkpoints/ in a browser."
    )
    parser.add_argument(
        "--world",
        type=Path,
        default=HERE / "checkpoints",
        help="a checkpoint, or a folder of checkpoints (default: checkpoints/)",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on; 0.0.0.0 for all")
    parser.add_argument("--port", type=int, default=7860, help="port to listen on; 0 picks one")
    parser.add_argument(
        "--players", type=int, default=2, help="places to play at once; others wait in line"
    )
    parser.add_argument("--device", default="cpu", help="PyTorch device (default: cpu)")
    parser.add_argument("--speed", default="auto", help="speed setting of the engine")
    parser.add_argument(
        "--origin",
        action="append",
        default=[],
        help="another origin whose pages may play, such as https://example.org (repeatable)",
    )
    parser.add_argument(
        "--idle-minutes", type=float, default=15, help="a player who does nothing leaves after this"
    )
    parser.add_argument("--no-browser", action="store_true", help="do not open a browser")
    options = parser.parse_args(arguments)
    if options.players < 1:
        parser.error("--players must be at least 1")
    return options


def open_library(path: Path, backend: Backend) -> Library:
    """The worlds that can be chosen: a named checkpoint first, then its neighbours."""
    worlds = find_worlds(path)
    if (path / "config.json").is_file():
        neighbours = find_worlds(path.resolve().parent)
        worlds += [world for world in neighbours if world.folder != worlds[0].folder]
    return Library(worlds, backend)


def leave_a_core() -> None:
    """Keep PyTorch's threads off one core, for the browser and the sockets.

    Threads of one operation wait for each other, so on two busy cores two are far slower than one
    (measured beside Chromium: over 20 s to load, against 6). Works until PyTorch is imported; a
    number given in the environment stands.
    """
    wait_asleep()
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 2) - 1)))


def main(arguments: list[str] | None = None, backend: Backend | None = None) -> int:
    """Serve until interrupted; returns the exit code, 2 after a mistake of the user's."""
    options = parse_arguments(arguments)
    leave_a_core()
    try:
        return serve(
            options, backend or CheckpointBackend(device=options.device, speed=options.speed)
        )
    except UserError as error:
        print(error, file=sys.stderr)
        return 2


def serve(options: argparse.Namespace, backend: Backend) -> int:
    """Open the page at once, load the first world behind it, and stay until interrupted."""
    library = open_library(options.world, backend)
    port = free_port(options.host, options.port)
    print("Opening the page ...", flush=True)
    from worldmodel.serve.page import launch  # takes seconds: mistakes are named before
    from worldmodel.serve.server import PlayServer

    limits = Limits(players=options.players, idle_seconds=60 * options.idle_minutes)
    server = PlayServer(library, limits, tuple(options.origin))
    loading = library.load(library.first)
    try:
        demo = launch(server, options.host, port)
        print(f"Play at {demo.local_url}  (Ctrl+C ends it)", flush=True)
        if not options.no_browser:
            threading.Thread(target=webbrowser.open, args=[demo.local_url], daemon=True).start()
        wait_while_serving(loading, library)
        demo.close(verbose=False)
    finally:
        server.close()
    return 0


def wait_while_serving(loading: Future, library: Library) -> None:
    """Return when interrupted; raise what the first world's loading raised."""
    try:
        loading.result()
        print(f"{library.first.title} is ready.", flush=True)
        threading.Event().wait()
    except KeyboardInterrupt:
        print("Goodbye.")


if __name__ == "__main__":
    sys.exit(main())

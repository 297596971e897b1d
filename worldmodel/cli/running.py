"""Commands about a run that is going on.

Imports stand inside, so that `worldmodel --help` does not wait for PyTorch.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from worldmodel.cli.command import Commands, Run


def watch(parser: ArgumentParser) -> Run:
    parser.add_argument("run", type=Path, help="folder of the run, which may be over")
    parser.add_argument("--once", action="store_true", help="say how it stands and end")
    parser.add_argument("--dashboard", action="store_true", help="show it in TensorBoard as well")
    parser.add_argument("--host", default="127.0.0.1", help="its address (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=6006, help="its port (default: 6006)")
    return lambda options: (_watch_in_tensorboard if options.dashboard else _watch)(options)


def _watch(options: Namespace) -> None:
    from worldmodel.train.following import follow

    for line in follow(options.run, options.once):
        print(line, flush=True)


def _watch_in_tensorboard(options: Namespace) -> None:
    import time

    from worldmodel.train.dashboard import Dashboard, serve
    from worldmodel.train.following import LOOK_EVERY, follow

    dashboard = Dashboard(options.run)
    dashboard.update()
    for line in follow(options.run, once=True):
        print(line, flush=True)
    if options.once:
        dashboard.close()
        return
    server = serve(options.run, options.host, options.port)
    print(f"TensorBoard at http://{options.host}:{options.port}  (Ctrl+C ends it)", flush=True)
    try:
        while server.poll() is None:
            time.sleep(LOOK_EVERY)
            dashboard.update()
    finally:
        server.terminate()
        dashboard.close()


COMMANDS: Commands = {
    "watch": (watch, "follow a training run on the terminal or in TensorBoard"),
}

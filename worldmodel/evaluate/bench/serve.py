"""`worldmodel bench serve`: the page's server under players who come by socket, not by browser.

The players run in a process of their own, as they would; everything else is the real server.
"""

import atexit
import contextlib
import multiprocessing
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import mean, median
from typing import Any

import uvicorn
from starlette.applications import Starlette

from worldmodel.errors import UserError
from worldmodel.evaluate.bench.clients import watch
from worldmodel.evaluate.bench.compare import Sample
from worldmodel.evaluate.bench.machine import (
    machine,
    milliseconds,
    peak_memory,
    spread,
    use_threads,
)
from worldmodel.evaluate.bench.play import opening, together
from worldmodel.evaluate.bench.report import progress
from worldmodel.evaluate.bench.stub import StubBackend
from worldmodel.serve.limits import Limits
from worldmodel.serve.server import PlayServer
from worldmodel.serve.worlds import CheckpointBackend, Library, find_worlds

WARM = 2.0  # seconds that do not count
STARTS_WITHIN = 10.0


def bench_serve(
    checkpoint: Path | str,
    *,
    players: tuple[int, ...] = (1, 2, 4, 8),
    seconds: float = 8.0,
    stub: bool = False,
    fps: float | None = None,
    device: str = "cpu",
    speed: str = "auto",
    threads: int | None = None,
) -> dict[str, object]:
    """Measure so many players at once, each asking for the world's own frame rate; JSON-ready.

    `stub` serves the world's scenes without its model, at `fps` if given. Raises UserError: no
    such checkpoint, no such speed.
    """
    use_threads(threads)
    rows = []
    with serving(Path(checkpoint), max(players), stub, fps, device, speed) as served:
        engine = served.engine
        for count in players:
            progress(f"{count} players for {seconds:g} s")
            if not stub:
                together(engine, opening(engine), count)  # compiles what they will need
            rows.append(served.row(count, seconds))
        return {
            "bench": "serve", "checkpoint": str(checkpoint), "stub": stub,
            "wanted_frames_per_second": engine.fps, "serve": rows,
            "speed": "stub" if stub else engine.speed, "peak_memory_mb": peak_memory(),
            "machine": machine(device),
        }  # fmt: skip


def sample_serve(
    checkpoint: Path | str,
    *,
    players: int = 2,
    seconds: float = 3.0,
    stub: bool = False,
    speed: str = "auto",
    threads: int | None = None,
) -> Sample:
    """For comparisons: median seconds from a key to the frame that knows it."""

    def sample() -> float:
        seen, _ = served.play(players, seconds)
        return median(x for player in seen for x in player["latencies"])

    use_threads(threads)
    opened = contextlib.ExitStack()
    atexit.register(opened.close)
    served = opened.enter_context(serving(Path(checkpoint), players, stub, None, "cpu", speed))
    return sample


@dataclass
class Served:
    """A running server, and a process that plays on it."""

    server: PlayServer
    address: str
    players: ProcessPoolExecutor

    @property
    def engine(self) -> Any:
        library = self.server.services.library
        return library.load(library.first).result()

    def play(self, count: int, seconds: float) -> tuple[list[dict[str, list]], float]:
        """What so many players saw, and the share of one core that the server took."""
        tokens = [self.server.mint.mint() for _ in range(count)]
        before, began = time.process_time(), time.perf_counter()
        seen = self.players.submit(watch, self.address, tokens, WARM, seconds).result()
        share = (time.process_time() - before) / (time.perf_counter() - began)
        while self.server.sessions:  # all have left before the next ones come
            time.sleep(0.01)
        return seen, share

    def row(self, count: int, seconds: float) -> dict[str, object]:
        seen, share = self.play(count, seconds)
        everybody = {name: [x for player in seen for x in player[name]] for name in seen[0]}
        gaps = [b - a for player in seen for a, b in pairwise(player["arrivals"])]
        if not gaps or not everybody["latencies"]:
            raise UserError(
                f"{count} players got no frames in {seconds:g} s; give more --seconds or fewer "
                "--players"
            )
        return {
            "players": count,
            "frames_per_second": len(everybody["arrivals"]) / seconds,
            "frames_per_second_of_a_player": spread(
                [len(player["arrivals"]) / seconds for player in seen]
            ),
            "key_to_frame_ms": milliseconds(everybody["latencies"]),
            "between_frames_ms": milliseconds(gaps),
            "model_ms": milliseconds(everybody["model"]),
            "bytes_a_frame": mean(everybody["sizes"]),
            "kbit_per_second_of_a_player": sum(everybody["sizes"]) * 8e-3 / seconds / count,
            "server_cores": share,
        }


@contextlib.contextmanager
def serving(
    checkpoint: Path, places: int, stub: bool, fps: float | None, device: str, speed: str
) -> Iterator[Served]:
    """The page's server on a free port, with so many places, its world loaded."""
    backend = StubBackend(fps) if stub else CheckpointBackend(device=device, speed=speed)
    library = Library(find_worlds(checkpoint), backend)
    server = PlayServer(library, Limits(players=places))
    web = uvicorn.Server(
        uvicorn.Config(Starlette(routes=server.routes), port=0, log_level="error", lifespan="off")
    )
    thread = threading.Thread(target=web.run, daemon=True)
    context = multiprocessing.get_context("spawn")
    try:
        progress("loading the world")
        library.load(library.first).result()
        thread.start()
        address = f"127.0.0.1:{port_of(web)}"
        with ProcessPoolExecutor(1, mp_context=context) as process:
            yield Served(server, address, process)
    finally:
        web.should_exit = True
        if thread.is_alive():
            thread.join(timeout=5)
        server.close()


def port_of(web: uvicorn.Server) -> int:
    """The port that was free, once the server listens."""
    end = time.monotonic() + STARTS_WITHIN
    while not web.started:
        if time.monotonic() > end:
            raise UserError("the server did not start in ten seconds; run on a quieter machine")
        time.sleep(0.01)
    return web.servers[0].sockets[0].getsockname()[1]

"""The worlds that can be chosen, each loaded once in the background."""

import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from worldmodel.errors import UserError
from worldmodel.serve.pictures import data_uri


class Backend(Protocol):
    """Where engines come from; the tests put a stub here."""

    def load(self, folder: Path, note: Callable[[str], None]) -> Any:
        """The engine of a checkpoint; `note` says what is being done."""

    def step_together(self, engines: list, controls: list) -> list:
        """One step of several engines as one batch."""


@dataclass(frozen=True, kw_only=True)
class CheckpointBackend:
    """Engines of real checkpoints. PyTorch is imported only when the first one loads."""

    device: str = "cpu"
    speed: str = "auto"

    def load(self, folder: Path, note: Callable[[str], None]) -> Any:
        """See Backend; UserError for a checkpoint that is missing, damaged or mismatched."""
        note("Starting PyTorch")
        from worldmodel.play.engine import load_engine

        megabytes = sum(f.stat().st_size for f in folder.glob("*.safetensors")) / 1e6
        note(f"Reading {megabytes:.0f} MB of weights and choosing the fastest way to run them")
        return load_engine(folder, device=self.device, speed=self.speed)

    def step_together(self, engines: list, controls: list) -> list:
        """See Backend."""
        from worldmodel.play.engine import step_together

        return step_together(engines, controls)


@dataclass(kw_only=True)
class World:
    """A checkpoint folder and how far its loading has come."""

    name: str
    folder: Path
    title: str
    note: str = "Waiting for its turn to load"
    began: float = field(default_factory=time.monotonic)
    engine: Future | None = None
    cards: list[dict] | None = None


def find_worlds(root: Path) -> list[World]:
    """The worlds under `root`: itself, or its folders, wherever there is a config.json."""
    folders = [root] if (root / "config.json").is_file() else []
    if not folders and root.is_dir():
        folders = sorted(path.parent for path in root.glob("*/config.json"))
    if not folders:
        raise UserError(
            f"Expected a trained world (a folder with config.json) in {root} and found none; "
            "train one with `worldmodel train world` or point --world at a checkpoint."
        )
    return [World(name=f.name, folder=f, title=_title(f)) for f in map(Path.resolve, folders)]


def _title(folder: Path) -> str:
    """What config.json calls the world; loading it is what finds a damaged one out."""
    try:
        title = json.loads((folder / "config.json").read_text())["title"]
    except (OSError, ValueError, KeyError, TypeError):
        title = None
    return title if isinstance(title, str) else folder.name.replace("_", " ").capitalize()


class Library:
    """Loads worlds one after another on a thread of its own, each at most once."""

    def __init__(self, worlds: list[World], backend: Backend) -> None:
        self.worlds = {world.name: world for world in worlds}
        self.backend = backend
        self._lock = threading.Lock()
        self._loader = ThreadPoolExecutor(1, thread_name_prefix="loader")

    @property
    def first(self) -> World:
        """The world a newcomer enters."""
        return next(iter(self.worlds.values()))

    def find(self, name: str) -> World:
        """The world of that name, or UserError."""
        if name not in self.worlds:
            raise UserError(f"There is no world {name!r}; choose one of {', '.join(self.worlds)}.")
        return self.worlds[name]

    def load(self, world: World) -> Future:
        """The future engine of `world`; the first call starts the loading."""
        with self._lock:
            if world.engine is None:
                world.began = time.monotonic()
                world.engine = self._loader.submit(self._load, world)
            return world.engine

    def close(self) -> None:
        """Start no more loading."""
        self._loader.shutdown(wait=False, cancel_futures=True)

    def _load(self, world: World) -> Any:
        def note(text: str) -> None:
            world.note = text

        engine = self.backend.load(world.folder, note)
        note("Preparing the opening scenes")
        if not engine.scenes:
            raise UserError(
                f"The checkpoint {world.folder} has no opening scene in its folder scenes/; "
                "add one, an episode of a few frames."
            )
        world.title = engine.title
        world.cards = [
            {"name": s.name, "title": s.title, "picture": data_uri(s.frames[-1])}
            for s in engine.scenes
        ]
        note("Ready")
        return engine

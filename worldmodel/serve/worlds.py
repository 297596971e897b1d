"""The worlds that can be chosen, each loaded once in the background."""

import json
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from worldmodel.errors import UserError
from worldmodel.serve.pictures import data_uri
from worldmodel.serve.renewal import Files, Watcher

log = logging.getLogger(__name__)
LOOK_EVERY = 2.0  # seconds between two looks at a world's files


class Backend(Protocol):
    """Where engines come from; the tests put a stub here."""

    def load(self, folder: Path, note: Callable[[str], None]) -> Any:
        """The engine of a checkpoint; `note` says what is being done."""

    def renew(self, engine: Any, folder: Path) -> Any:
        """The engine of a checkpoint that has changed since `engine` was loaded from it."""

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

    def renew(self, engine: Any, folder: Path) -> Any:
        """See Backend; runs at the speed that was chosen for the former one."""
        from worldmodel.play.engine import load_engine

        return load_engine(folder, device=self.device, speed=engine.speed)

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
    version: int = 0  # counts the engines that have taken the former one's place
    files: Files | None = None  # what the engine was loaded from


def find_worlds(root: Path) -> list[World]:
    """The worlds under `root`: itself, or its folders, wherever there is a config.json.

    In the order of `place` in their config.json, then of their folders' names.
    """
    folders = [root] if (root / "config.json").is_file() else []
    if not folders and root.is_dir():
        folders = sorted(path.parent for path in root.glob("*/config.json"))
    if not folders:
        raise UserError(
            f"Expected a trained world (a folder with config.json) in {root} and found none; "
            "train one with `worldmodel train world` or point --world at a checkpoint."
        )
    found = [(_about(folder), folder) for folder in map(Path.resolve, folders)]
    found.sort(key=lambda each: (each[0][0], each[1].name))
    return [World(name=f.name, folder=f, title=title) for (_, title), f in found]


def _about(folder: Path) -> tuple[int, str]:
    """Place and title in config.json; loading the world is what finds a damaged one out."""
    try:
        config = json.loads((folder / "config.json").read_text())
        place, title = config.get("place", 0), config.get("title")
    except (OSError, ValueError, AttributeError):
        place, title = 0, None
    named = title if isinstance(title, str) else folder.name.replace("_", " ").capitalize()
    return place if isinstance(place, int) else 0, named


class Library:
    """Loads worlds one after another on a thread of its own, each once, and again when its files
    have changed: a world in training can be played, and the newer one takes its place."""

    def __init__(
        self, worlds: list[World], backend: Backend, look_every: float = LOOK_EVERY
    ) -> None:
        self.worlds = {world.name: world for world in worlds}
        self.backend = backend
        self._lock = threading.Lock()
        self._loader = ThreadPoolExecutor(1, thread_name_prefix="loader")
        self._watcher = Watcher(look_every, self._look)

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
                self._watcher.start()
            return world.engine

    def close(self) -> None:
        """Start no more loading."""
        self._watcher.stop()
        self._loader.shutdown(wait=False, cancel_futures=True)

    def _load(self, world: World) -> Any:
        def note(text: str) -> None:
            world.note = text

        world.files = Files.of(world.folder)
        engine = self.backend.load(world.folder, note)
        note("Preparing the opening scenes")
        self._introduce(world, engine)
        note("Ready")
        return engine

    def _introduce(self, world: World, engine: Any) -> None:
        """Take over what the page shows of a world."""
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

    def _look(self) -> None:
        """Load anew what has changed on the disk and is at rest there."""
        for world in self.worlds.values():
            if world.files and world.engine and world.engine.done():
                former, world.files = world.files, world.files.now(world.folder)
                if world.files.digest != former.digest:
                    self._loader.submit(self._renew, world).result()

    def _renew(self, world: World) -> None:
        """Replace a world's engine. One that cannot be read is passed over: it was half written,
        or is a mistake, and the former one is still good."""
        if world.engine.exception():
            with self._lock:
                world.engine = None
            self.load(world)
            return
        try:
            engine = self.backend.renew(world.engine.result(), world.folder)
            self._introduce(world, engine)
        except UserError as error:
            log.warning("a newer checkpoint is passed over: %s", error)
            return
        world.engine = Future()
        world.engine.set_result(engine)
        world.version += 1

"""Noticing that a checkpoint on the disk is not the one that was loaded any more."""

import hashlib
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger(__name__)
Stamps = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class Files:
    """What a checkpoint's files looked like: names, times and sizes, and a hash of their bytes."""

    stamps: Stamps
    digest: str

    @classmethod
    def of(cls, folder: Path) -> "Files":
        """The files as they are now."""
        return cls(_stamps(folder), _digest(folder))

    def now(self, folder: Path) -> "Files":
        """The files as they are now; their bytes are read only when times or sizes differ, and
        not before they hold still."""
        stamps = _stamps(folder)
        if stamps == self.stamps:
            return self
        found = Files(stamps, _digest(folder))
        return found if _stamps(folder) == stamps else self


def _files(folder: Path) -> list[Path]:
    own = [path for pattern in ("config.json", "*.safetensors") for path in folder.glob(pattern)]
    return sorted([*own, *folder.glob("scenes/*/meta.json")])


def _stamps(folder: Path) -> Stamps:
    found = []
    for path in _files(folder):
        try:
            about = path.stat()
        except FileNotFoundError:  # it was just replaced
            continue
        found.append((str(path.relative_to(folder)), about.st_mtime_ns, about.st_size))
    return tuple(found)


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in _files(folder):
        try:
            with path.open("rb") as file:
                own = hashlib.file_digest(file, "sha256").digest()
        except FileNotFoundError:
            continue
        digest.update(str(path.relative_to(folder)).encode() + own)
    return digest.hexdigest()


class Watcher:
    """Calls `look` every so many seconds on a thread of its own, until it is stopped."""

    def __init__(self, every: float, look: Callable[[], None]) -> None:
        self._every, self._look = every, look
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="newer worlds", daemon=True)

    def start(self) -> None:
        """Begin, unless it has begun."""
        if self._thread.ident is None:
            self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stopped.set()

    def _watch(self) -> None:
        while not self._stopped.wait(self._every):
            try:
                self._look()
            except Exception:  # whatever it was, the next look may be luckier
                if not self._stopped.is_set():
                    log.exception("looking for newer worlds failed")

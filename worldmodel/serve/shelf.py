"""A player's recordings: begun, finished in the background, kept until they are fetched."""

import asyncio
import logging
import secrets
import shutil
import time
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path

from worldmodel.errors import UserError
from worldmodel.serve.play import Play
from worldmodel.serve.recording import Recorder, Recording

log = logging.getLogger(__name__)


class Shelf:
    """Holds the last `keep` recordings of one player in `folder`.

    `changed` is called when a recording is ready, `failed` with the sentence when it is not.
    """

    def __init__(
        self,
        folder: Path,
        worker: Executor,
        keep: int,
        changed: Callable[[], None],
        failed: Callable[[Exception], None],
    ) -> None:
        self.recordings: list[Recording] = []
        self._folder = folder
        self._worker = worker
        self._keep = keep
        self._changed = changed
        self._failed = failed
        self._finishing: set[asyncio.Task] = set()

    @property
    def busy(self) -> bool:
        """Whether a recording is being finished."""
        return bool(self._finishing)

    def begin(self, play: Play) -> None:
        """Record from the frame on the screen on."""
        stamp = time.strftime("%Y%m%d-%H%M%S")
        folder = self._folder / f"{play.world.name}-{stamp}-{secrets.token_hex(2)}"
        play.record(lambda meta, first: Recorder(folder, meta, first, self._worker))

    def finish(self, play: Play) -> None:
        """End the recording, if there is one."""
        future = play.stop_recording()
        if future:
            self._finishing.add(asyncio.create_task(self._finish(asyncio.wrap_future(future))))

    def find(self, name: str, kind: str) -> Path | None:
        """The file of kind `mp4` or `zip` of a recording."""
        found = [recording for recording in self.recordings if recording.name == name]
        return found[0].file(kind) if found else None

    def clear(self, play: Play | None) -> None:
        """Forget and delete everything."""
        if play and play.recorder:
            play.recorder.discard()
        for task in self._finishing:
            task.cancel()
        self._worker.submit(shutil.rmtree, self._folder, True)

    async def _finish(self, future: asyncio.Future) -> None:
        try:
            self.recordings.append(await future)
        except Exception:
            log.exception("a recording failed")
            self._failed(UserError("The recording could not be written on the server."))
        while len(self.recordings) > self._keep:
            self.recordings.pop(0).delete()
        self._finishing.discard(asyncio.current_task())
        self._changed()

"""Episodes that survive being killed: written while they are recorded, finished afterwards."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from worldmodel.data.atomic import PARTIAL, publish, sync, write_json
from worldmodel.data.episode import EpisodeWriter
from worldmodel.data.meta import load_meta
from worldmodel.data.video import copy_video
from worldmodel.errors import UserError
from worldmodel.games.base import ControlSpace

RECORDING = ".recording"
LOCK = "lock"
NOTES = "recording.json"  # how an episode was recorded; nothing reads it to train


class LiveEpisodeWriter(EpisodeWriter):
    """An EpisodeWriter whose frames are readable as soon as they are appended.

    Until `close` they lie in a sibling folder that begins with a dot and ends in ".recording"; a
    process that is killed leaves it, and `repair` makes an episode of it. When the block of a
    context manager raises, what was recorded is finished as well.
    """

    live = True

    def sync(self) -> None:
        """Have the disk hold what was appended, so that not even a power cut loses it."""
        for name in ("video.mp4", "actions.jsonl"):
            sync(self._partial / name)

    def learn(self, controls: ControlSpace) -> None:
        """Replace the controls by more of them; what was appended must mean the same by them."""
        self._change(controls=controls)

    def end(self) -> None:
        """Note that the game was over after the last frame."""
        self._change(ended=True)

    def _change(self, **fields: Any) -> None:
        self.meta = replace(self.meta, **fields)
        write_json(self._partial / "meta.json", self.meta.to_json(0))

    def note(self, record: dict[str, Any]) -> None:
        """Keep what is worth knowing of how this was recorded."""
        write_json(self._partial / NOTES, record)

    def close(self) -> None:
        """Finish the files and give the folder its name."""
        try:
            self._video.close()
            self._actions.close()
            if finish(self._partial, self.folder, check=False) == 0:
                raise ValueError("An episode needs at least its first frame.")
        finally:
            self._lock.release()

    def discard(self) -> None:
        """Throw the recording away."""
        super().discard()
        self._lock.release()

    def abandon(self) -> None:
        """Leave the recording to `repair`, as if the process had been killed."""
        self._actions.close()
        self._lock.release()

    def __exit__(self, *error: object) -> None:
        self.close() if self.frames else self.discard()

    def _claim(self) -> Path:
        partial = recording_of(self.folder)
        if partial.exists():
            raise UserError(
                f"{partial} holds a recording that was not finished; run "
                f"`worldmodel repair {self.folder.parent}` first."
            )
        partial.mkdir(parents=True)
        self._lock = lock_of(partial)
        self._lock.acquire()
        write_json(partial / "meta.json", self.meta.to_json(0))
        return partial


def recording_of(folder: Path) -> Path:
    """Where an episode lies while it is being recorded."""
    return folder.with_name(f".{folder.name}{RECORDING}")


def lock_of(partial: Path) -> FileLock:
    """The lock that a process holds for as long as it records, and that ends with it."""
    return FileLock(partial / LOCK, timeout=0, thread_local=False)


def repair(data: Path) -> Iterator[tuple[Path, int]]:
    """Finish the recordings that killed processes left anywhere under a folder.

    Yields each episode's folder with its frames; 0 frames when nothing had been recorded, and
    then there is no folder. Recordings that are still going on are left alone. Raises UserError,
    after the others are done, when one is damaged beyond that.
    """
    damaged = []
    for partial in sorted(data.rglob(f".*{RECORDING}")):
        lock = lock_of(partial)
        try:
            with lock:
                folder = _free(partial.with_name(partial.name[1 : -len(RECORDING)]))
                yield folder, finish(partial, folder)
        except Timeout:
            continue
        except UserError as error:
            damaged.append(error)
    if damaged:
        raise damaged[0]


def finish(partial: Path, folder: Path, check: bool = True) -> int:
    """Make an episode of what a live recording holds, give it its name, return its frames.

    With `check` each frame is decoded first. It can be killed and called again. Raises UserError
    when meta.json is missing or damaged.
    """
    if not (partial / "meta.json").exists():  # killed before the first frame
        shutil.rmtree(partial)
        return 0
    meta, _ = load_meta(partial)
    video, whole = partial / "video.mp4", partial / "whole.mp4"
    lines = _whole_lines(partial / "actions.jsonl")
    frames = copy_video(video, whole, len(lines), check) if lines and video.exists() else 0
    if frames == 0:
        shutil.rmtree(partial)
        return 0
    whole.replace(video)
    _write_lines(partial / "actions.jsonl", lines[:frames])
    write_json(partial / "meta.json", meta.to_json(frames))
    for left in (partial / LOCK, *partial.glob(f".*{PARTIAL}")):
        left.unlink(missing_ok=True)
    publish(partial, folder)
    return frames


def _whole_lines(path: Path) -> list[str]:
    """The lines of actions.jsonl up to the first that is torn."""
    lines: list[str] = []
    content = path.read_bytes() if path.exists() else b""
    for line in content.split(b"\n")[:-1]:
        try:
            record = json.loads(line)
            if record["tick"] != len(lines):
                break
        except (ValueError, KeyError, TypeError):
            break
        lines.append(line.decode())
    return lines


def _write_lines(path: Path, lines: list[str]) -> None:
    fresh = path.with_name("whole.jsonl")
    fresh.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    sync(fresh)
    fresh.replace(path)


def _free(folder: Path) -> Path:
    """The folder, or the first of folder-2, folder-3, ... when there is one already."""
    number, free = 1, folder
    while free.exists():
        number += 1
        free = folder.with_name(f"{folder.name}-{number}")
    return free

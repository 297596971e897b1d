"""A player's recording: an episode a level in the training format, and a film to show."""

import shutil
import zipfile
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from worldmodel.data.episode import EpisodeWriter
from worldmodel.data.meta import Meta

FILM_SCALE = 4
FILM_OPTIONS = {"crf": "18", "preset": "veryfast", "threads": "1"}


@dataclass(frozen=True, kw_only=True)
class Recording:
    """A finished recording: the film (MP4) and the episodes (zip), and its number of frames."""

    name: str
    film: Path
    episode: Path
    frames: int

    def file(self, kind: str) -> Path | None:
        """The file of kind `mp4` or `zip`."""
        return {"mp4": self.film, "zip": self.episode}.get(kind)

    def delete(self) -> None:
        """Remove both files."""
        self.film.unlink(missing_ok=True)
        self.episode.unlink(missing_ok=True)


class Recorder:
    """Writes what the model produced, frame by frame, on a worker thread in order.

    The first frame is the one on the screen when recording began; its control is all zeros,
    as the format has it for the frame that an episode starts from. So is a level's first frame:
    each level is an episode, in a folder of its own.
    """

    def __init__(self, folder: Path, meta: Meta, first: np.ndarray, worker: Executor) -> None:
        self.name = folder.name
        self.frames = 0
        self._folder, self._meta, self._worker = folder, meta, worker
        self._writer = worker.submit(EpisodeWriter, folder, meta)
        self._writers: list[Future] = [self._writer]
        self._jobs: list[Future] = [self._writer]
        self._first(first)

    def append(self, frame: np.ndarray, controls: np.ndarray, keys: Sequence[str]) -> None:
        """Add the frame uint8 [h w 3] that `controls` float32 [k] produced."""
        self.frames += 1
        self._later(self._append, self._writer, frame, controls, tuple(keys))

    def begin_level(self, first: np.ndarray) -> None:
        """The level was over with the last frame; another one begins with uint8 [h w 3]."""
        self._later(self._ended, self._writer)
        folder = self._folder.with_name(f"{self.name}-{len(self._writers) + 1}")
        self._writer = self._worker.submit(EpisodeWriter, folder, self._meta)
        self._writers.append(self._writer)
        self._jobs.append(self._writer)
        self._first(first)

    def finish(self) -> Future:
        """The future Recording."""
        return self._worker.submit(self._finish)

    def discard(self) -> None:
        """Throw the recording away."""
        self._worker.submit(self._discard)

    def _first(self, frame: np.ndarray) -> None:
        self.append(frame, np.zeros(self._meta.controls.size, np.float32), ())

    def _later(self, work: Callable, *given: object) -> None:
        self._jobs = [job for job in self._jobs if not job.done() or job.exception()]
        self._jobs.append(self._worker.submit(work, *given))

    def _append(
        self, writer: Future, frame: np.ndarray, controls: np.ndarray, keys: tuple[str, ...]
    ) -> None:
        writer.result().append(frame, controls, keys)

    def _ended(self, writer: Future) -> None:
        writer.result().meta = replace(self._meta, ended=True)

    def _discard(self) -> None:
        for writer in self._writers:
            if not writer.exception():
                writer.result().discard()
                shutil.rmtree(writer.result().folder, ignore_errors=True)  # if it was closed

    def _finish(self) -> Recording:
        try:
            for job in self._jobs:
                job.result()
            writers = [writer.result() for writer in self._writers]
            if len(writers) > 1 and writers[-1].frames == 1:
                writers.pop().discard()  # nothing was done in it
                self.frames -= 1
            for writer in writers:
                writer.close()
        except BaseException:
            self._discard()
            raise
        folders = [writer.folder for writer in writers]
        film = self._folder.with_suffix(".mp4")
        make_film([folder / "video.mp4" for folder in folders], film)
        archive = self._folder.with_suffix(".zip")
        _zip(folders, archive)
        for folder in folders:
            shutil.rmtree(folder)
        return Recording(name=self.name, film=film, episode=archive, frames=self.frames)


def make_film(videos: Sequence[Path], film: Path, scale: int = FILM_SCALE) -> None:
    """Re-encode videos, one after the other, `scale` times larger (nearest pixel) in yuv420p,
    which plays anywhere."""
    with av.open(str(film), "w") as target:
        stream, count = None, 0
        for video in videos:
            with av.open(str(video)) as source:
                incoming = source.streams.video[0]
                rate = Fraction(incoming.average_rate)
                if stream is None:
                    stream = target.add_stream("libx264", rate=rate, options=FILM_OPTIONS)
                    stream.width = _even(incoming.width * scale)
                    stream.height = _even(incoming.height * scale)
                    stream.pix_fmt = "yuv420p"
                for frame in source.decode(incoming):
                    large = frame.reformat(
                        width=stream.width, height=stream.height, format="yuv420p",
                        interpolation="POINT",
                    )  # fmt: skip
                    large.pts, large.time_base = count, 1 / rate
                    count += 1
                    target.mux(stream.encode(large))
        target.mux(stream.encode())


def _even(pixels: int) -> int:
    return pixels + pixels % 2


def _zip(folders: Sequence[Path], archive: Path) -> None:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as out:
        for folder in folders:
            for path in sorted(folder.iterdir()):
                out.write(path, f"{folder.name}/{path.name}")

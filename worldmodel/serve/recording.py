"""A player's recording: an episode in the training format, and a film to show."""

import shutil
import zipfile
from collections.abc import Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
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
    """A finished recording: the film (MP4) and the episode (zip), and its number of frames."""

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
    as the format has it for the frame that an episode starts from.
    """

    def __init__(self, folder: Path, meta: Meta, first: np.ndarray, worker: Executor) -> None:
        self.name = folder.name
        self.frames = 0
        self._folder = folder
        self._worker = worker
        self._writer = worker.submit(EpisodeWriter, folder, meta)
        self._jobs: list[Future] = [self._writer]
        self.append(first, np.zeros(meta.controls.size, np.float32), ())

    def append(self, frame: np.ndarray, controls: np.ndarray, keys: Sequence[str]) -> None:
        """Add the frame uint8 [h w 3] that `controls` float32 [k] produced."""
        self.frames += 1
        self._jobs = [job for job in self._jobs if not job.done() or job.exception()]
        self._jobs.append(self._worker.submit(self._append, frame, controls, tuple(keys)))

    def finish(self) -> Future:
        """The future Recording."""
        return self._worker.submit(self._finish)

    def discard(self) -> None:
        """Throw the recording away."""
        self._worker.submit(lambda: self._writer.result().discard())

    def _append(self, frame: np.ndarray, controls: np.ndarray, keys: tuple[str, ...]) -> None:
        self._writer.result().append(frame, controls, keys)

    def _finish(self) -> Recording:
        writer = self._writer.result()
        try:
            for job in self._jobs:
                job.result()
            writer.close()
        except BaseException:
            writer.discard()
            raise
        film = self._folder.with_suffix(".mp4")
        make_film(self._folder / "video.mp4", film)
        archive = self._folder.with_suffix(".zip")
        _zip(self._folder, archive)
        shutil.rmtree(self._folder)
        return Recording(name=self.name, film=film, episode=archive, frames=self.frames)


def make_film(video: Path, film: Path, scale: int = FILM_SCALE) -> None:
    """Re-encode a video `scale` times larger (nearest pixel) in yuv420p, which plays anywhere."""
    with av.open(str(video)) as source, av.open(str(film), "w") as target:
        incoming = source.streams.video[0]
        rate = Fraction(incoming.average_rate)
        stream = target.add_stream("libx264", rate=rate, options=FILM_OPTIONS)
        stream.width, stream.height = _even(incoming.width * scale), _even(incoming.height * scale)
        stream.pix_fmt = "yuv420p"
        for frame in source.decode(incoming):
            large = frame.reformat(
                width=stream.width, height=stream.height, format="yuv420p", interpolation="POINT"
            )
            large.pts = frame.pts
            target.mux(stream.encode(large))
        target.mux(stream.encode())


def _even(pixels: int) -> int:
    return pixels + pixels % 2


def _zip(folder: Path, archive: Path) -> None:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as out:
        for path in sorted(folder.iterdir()):
            out.write(path, f"{folder.name}/{path.name}")

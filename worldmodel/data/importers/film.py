"""Video files that others made: measured before they are decoded, decoded a frame at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import numpy as np
from PIL import Image

from worldmodel.data.importers.files import shown
from worldmodel.data.importers.record import Picture
from worldmodel.errors import UserError

LARGE = 640 * 360  # pixels from which decoding on several threads pays
MAX_PIXELS = 1 << 25  # of a frame: 8K has 33 million
ENDS = 0.25  # seconds before its end at which the last frame of a whole video may come
MAX_SECONDS = 24 * 3600.0
MAX_FRAMES = 24 * 3600 * 240
# containers only: a playlist in a file's place would read other files
CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,flv,ogg"
SUFFIXES = (".mp4", ".mkv", ".webm", ".mov", ".avi", ".m4v", ".ts", ".flv", ".ogv")


@dataclass(frozen=True, kw_only=True)
class Film:
    """What a video's header says: `size` is (height, width) as it should be seen; `frames` and
    `seconds` are 0 where it does not say."""

    path: Path
    size: tuple[int, int]
    fps: float
    frames: int
    seconds: float


def probe(path: Path) -> Film:
    """Read a video's header; raise UserError when it is none or is absurd."""
    with _opened(path) as container:
        stream = _stream(path, container)
        rate = stream.average_rate or stream.guessed_rate or Fraction(30)
        seconds = (container.duration or 0) / 1e6
        if stream.duration and stream.time_base:
            seconds = float(stream.duration * stream.time_base)
        width = round(stream.width * _aspect(stream.sample_aspect_ratio))
        if not 0 <= seconds <= MAX_SECONDS or not 0 <= stream.frames <= MAX_FRAMES:
            raise UserError(
                f"{shown(path)} claims to last {seconds / 3600:,.0f} hours with {stream.frames:,} "
                f"frames; at most {MAX_SECONDS / 3600:.0f} hours are read, so cut it."
            )
        return Film(
            path=path,
            size=(stream.height, width),
            fps=min(max(float(rate), 1.0), 1000.0),
            frames=stream.frames,
            seconds=seconds,
        )


def frames_of(path: Path, start: float = 0.0) -> Iterator[tuple[float, Picture]]:
    """Yield (seconds, picture) of each frame from `start` on as it is decoded; audio and subtitles
    are passed over.

    A picture has square pixels and stands upright. Frames whose time does not grow are left out.
    Raises UserError, naming the file, where it is damaged or ends before its header says.
    """
    film, count, last = probe(path), 0, start - 0.5 / probe(path).fps if start else -1.0
    with _opened(path) as container:
        stream = _stream(path, container)
        if stream.width * stream.height >= LARGE:
            stream.thread_type = "AUTO"
        try:
            if start:
                container.seek(int(start / stream.time_base), stream=stream)
            for frame in container.decode(stream):
                if frame.width * frame.height > MAX_PIXELS or count >= MAX_FRAMES:
                    raise UserError(f"{shown(path)} grows beyond what is read at frame {count}.")
                time = count / film.fps if frame.time is None else float(frame.time)
                count += 1
                if time > last:
                    last = time
                    yield time, partial(_upright, frame, _aspect(stream.sample_aspect_ratio))
        except (av.FFmpegError, OSError, ValueError) as error:
            if isinstance(error, UserError):
                raise
            raise _damaged(path, f"cannot be decoded after frame {count} ({error})") from error
    # frames before the first one that is to be shown are counted too, hence the second condition
    if not start and count < film.frames and last < film.seconds - ENDS:
        raise _damaged(path, f"ends after frame {count} of {film.frames}")


def _opened(path: Path) -> av.container.InputContainer:
    if not path.is_file():
        raise UserError(f"{shown(path)} is missing.")
    try:
        return av.open(
            str(path.resolve()),
            options={"format_whitelist": CONTAINERS, "protocol_whitelist": "file"},
            metadata_errors="replace",
        )
    except (av.FFmpegError, OSError, ValueError) as error:
        raise _damaged(path, f"should be a video but cannot be opened ({error})") from error


def _stream(path: Path, container: av.container.InputContainer) -> av.video.stream.VideoStream:
    if not container.streams.video:
        raise UserError(f"{shown(path)} has no video in it.")
    stream = container.streams.video[0]
    if not 0 < stream.width * stream.height <= MAX_PIXELS:
        raise UserError(
            f"{shown(path)} has frames of {stream.width}x{stream.height}; at most "
            f"{MAX_PIXELS / 1e6:.0f} million pixels are read."
        )
    stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
    return stream


def _aspect(ratio: Fraction | None) -> float:
    """Width of a pixel over its height; 1 where the file does not say or says nonsense."""
    return float(ratio) if ratio and 0.25 <= ratio <= 4 else 1.0


def _upright(frame: av.VideoFrame, aspect: float) -> np.ndarray:
    picture = frame.to_ndarray(format="rgb24", threads=1)  # starting threads would take longer
    if abs(aspect - 1.0) > 0.01:
        size = (round(frame.width * aspect), frame.height)
        picture = np.asarray(Image.fromarray(picture).resize(size))
    return np.rot90(picture, frame.rotation // 90) if frame.rotation % 360 else picture


def _damaged(path: Path, what: str) -> UserError:
    return UserError(
        f"{shown(path)} {what}; restore it, or leave the recording out with --skip-damaged."
    )

"""Video decoded in blocks of a few frames, so that memory does not grow with its length."""

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from worldmodel.data.meta import ADVICE
from worldmodel.errors import UserError

BLOCK = 64  # frames


def decode_frames(
    path: Path, size: tuple[int, int], *, start: int = 0, count: int
) -> Iterator[np.ndarray]:
    """Yield frames start to start + count - 1 of a video as blocks uint8 [at most BLOCK, h w 3].

    Decoding begins at the key frame before `start`. Never more than `count` frames of `size`
    (height, width) are decoded, whatever the file says. Raises UserError, naming the file, when it
    is missing, damaged, of another size or ends before.
    """
    block, found, colours = [], 0, VideoReformatter()
    for picture in _pictures(path, size, start):
        block.append(colours.reformat(picture, format="rgb24").to_ndarray())
        found += 1
        if len(block) == BLOCK or found == count:
            yield np.stack(block)
            block = []
        if found == count:
            return
    raise UserError(f"{path} should have {start + count} frames, but has {start + found}; {ADVICE}")


def check_length(path: Path, size: tuple[int, int], frames: int) -> None:
    """Read a video's header; raise UserError when it is of another size or length.

    A header without a number of frames is believed.
    """
    try:
        with _opened(path, size) as container:
            stated = container.streams.video[0].frames
    except (av.FFmpegError, OSError) as error:
        raise _damaged(path, error) from error
    if stated and stated != frames:
        raise UserError(f"{path} should have {frames} frames, but has {stated}; {ADVICE}")


def _pictures(path: Path, size: tuple[int, int], start: int) -> Iterator[av.VideoFrame]:
    """Pictures from `start` on."""
    try:
        with _opened(path, size) as container:
            stream = container.streams.video[0]
            begin, rate, base = stream.start_time or 0, stream.average_rate, stream.time_base
            skip = start
            if start and rate:
                container.seek(begin + int(start / rate / base), stream=stream)
                skip = None
            for picture in container.decode(stream):
                if (picture.height, picture.width) != size:
                    raise _wrong_size(path, size, picture)
                if skip is None:
                    skip = start - round((picture.pts - begin) * base * rate)
                if skip <= 0:
                    yield picture
                skip -= 1
    except (av.FFmpegError, OSError) as error:
        raise _damaged(path, error) from error


def _opened(path: Path, size: tuple[int, int]) -> av.container.InputContainer:
    """Open a regular file whose header announces a video of this size."""
    if not path.is_file():
        raise UserError(f"{path} is missing or no file; {ADVICE}")
    container = av.open(str(path))
    if not container.streams.video:
        container.close()
        raise UserError(f"{path} should hold a video, but has no video stream; {ADVICE}")
    stream = container.streams.video[0]
    if (stream.height, stream.width) != size:
        container.close()
        raise _wrong_size(path, size, stream)
    stream.codec_context.thread_count = 1
    return container


def _wrong_size(path: Path, size: tuple[int, int], found: object) -> UserError:
    return UserError(
        f"{path} should have frames of {size[1]}x{size[0]}, but has "
        f"{found.width}x{found.height}; {ADVICE}"
    )


def _damaged(path: Path, error: Exception) -> UserError:
    return UserError(f"{path} should be a video but cannot be read ({error}); {ADVICE}")

"""Frames to H.264 and back: yuv444p, CRF 12, a key frame every 16."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from worldmodel.data.meta import ADVICE
from worldmodel.errors import UserError

ENCODER = {"crf": "12", "g": "16", "preset": "superfast", "threads": "1"}


class VideoWriter:
    """Writes frames uint8 [h w 3] of one size to an MP4 file."""

    def __init__(self, path: Path, fps: float, size: tuple[int, int]) -> None:
        self._container = av.open(str(path), "w")
        rate = Fraction(fps).limit_denominator(1001)
        self._stream = self._container.add_stream("libx264", rate=rate, options=ENCODER)
        self._stream.height, self._stream.width = size
        self._stream.pix_fmt = "yuv444p"

    def append(self, frame: np.ndarray) -> None:
        """Encode the next frame."""
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
        self._container.mux(self._stream.encode(picture))

    def close(self) -> None:
        """Write what the encoder still holds, and the index."""
        self._container.mux(self._stream.encode())
        self._container.close()

    def discard(self) -> None:
        """Let go of the file without finishing it."""
        self._container.close()


def read_video(path: Path, frames: int, size: tuple[int, int]) -> np.ndarray:
    """Decode a video of so many frames; return uint8 [t h w 3].

    Raises UserError, naming the file, when it is missing, damaged or of another length or size.
    """
    out = np.empty((frames, *size, 3), np.uint8)
    count = 0
    try:
        with av.open(str(path)) as container:
            for picture in container.decode(video=0):
                if (picture.height, picture.width) != size:
                    raise UserError(
                        f"{path} should have frames of {size[1]}x{size[0]}, but has "
                        f"{picture.width}x{picture.height}; {ADVICE}"
                    )
                if count < frames:
                    out[count] = picture.to_ndarray(format="rgb24")
                count += 1
    except (av.FFmpegError, OSError, IndexError) as error:
        raise UserError(
            f"{path} should be a video but cannot be read ({error}); {ADVICE}"
        ) from error
    if count != frames:
        raise UserError(f"{path} should have {frames} frames, but has {count}; {ADVICE}")
    return out

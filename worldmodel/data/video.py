"""Frames to H.264 and back: yuv444p, CRF 12, a key frame every 16."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer

from worldmodel.data.meta import ADVICE
from worldmodel.errors import UserError

ENCODER = {"crf": "12", "g": "16", "preset": "superfast", "threads": "1"}
# every frame leaves the encoder at once, and the process as a fragment that is complete in itself
LIVE_ENCODER = {**ENCODER, "tune": "zerolatency"}
LIVE_MUXER = {
    "movflags": "frag_every_frame+empty_moov+default_base_moof",
    "flush_packets": "1",
}


class VideoWriter:
    """Writes frames uint8 [h w 3] of one size to an MP4 file.

    With `live`, the file can be read at any time and lacks at most the newest two frames when the
    process is killed; it is a fragmented MP4, which `copy_video` turns into an ordinary one.
    """

    def __init__(self, path: Path, fps: float, size: tuple[int, int], live: bool = False) -> None:
        self._container = av.open(str(path), "w", options=LIVE_MUXER if live else {})
        rate = Fraction(fps).limit_denominator(1001)
        encoder = LIVE_ENCODER if live else ENCODER
        self._stream = self._container.add_stream("libx264", rate=rate, options=encoder)
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


def copy_video(source: Path, target: Path, frames: int, check: bool = True) -> int:
    """Copy the first frames of a video, as they are encoded, into an ordinary MP4 file.

    Returns how many were copied: at most `frames`, fewer when the source ends sooner. With
    `check` each frame is decoded, and copying ends before the first that is damaged; a source
    that holds nothing readable gives 0 and no file. The frames must be stored in the order in
    which they are shown, as a live VideoWriter stores them.
    """
    try:
        with av.open(str(source)) as old:
            packets = _whole_packets(old, frames, check)
            first = next(packets, None)
            if first is None:
                return 0
            return _mux(target, old.streams.video[0], chain([first], packets))
    except (av.InvalidDataError, av.EOFError, IndexError):
        return 0


def _whole_packets(source: InputContainer, frames: int, check: bool) -> Iterator[av.Packet]:
    """The packets up to the first that is torn or cannot be decoded."""
    count = 0
    try:
        for packet in source.demux(source.streams.video[0]):
            torn = packet.dts is None or packet.is_corrupt
            if torn or count == frames or (check and not packet.decode()):
                return
            count += 1
            yield packet
    except (av.InvalidDataError, av.EOFError):
        return


def _mux(target: Path, template: av.VideoStream, packets: Iterable[av.Packet]) -> int:
    count = 0
    with av.open(str(target), "w") as new:
        stream = new.add_stream_from_template(template)
        for packet in packets:
            packet.stream = stream
            new.mux(packet)
            count += 1
    return count

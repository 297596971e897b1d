"""Videos of one encoder put behind each other in one file, packet by packet, not encoded anew."""

from fractions import Fraction
from pathlib import Path

import av

from worldmodel.errors import UserError


class JoinedVideo:
    """An MP4 that grows by whole videos; `frames` counts what is in it."""

    def __init__(self, path: Path) -> None:
        self.path, self.frames, self.bytes = path, 0, 0
        self._out = av.open(str(path), "w")
        self._stream: av.VideoStream | None = None
        self._header: bytes | None = None

    def takes(self, path: Path) -> bool:
        """Whether a video was encoded like those that are in it."""
        return self._header is None or header(path) == self._header

    def append(self, path: Path) -> None:
        """Put a video's packets behind the last one's; raise UserError when they do not fit."""
        if not self.takes(path):
            raise UserError(f"{path} is encoded in another way than the videos before it.")
        with av.open(str(path)) as source:
            stream = source.streams.video[0]
            if self._stream is None:
                self._stream = self._out.add_stream_from_template(stream)
                self._stream.time_base = stream.time_base
                self._header = header(path)
            tick = 1 / (Fraction(stream.average_rate) * stream.time_base)
            behind = round(self.frames * tick)
            for packet in source.demux(stream):
                if packet.dts is None:
                    continue
                packet.pts, packet.dts = packet.pts + behind, packet.dts + behind
                packet.stream = self._stream
                self.bytes += packet.size
                self.frames += 1
                self._out.mux(packet)

    def close(self) -> None:
        """Finish the file."""
        self._out.close()


def header(path: Path) -> bytes:
    """What a decoder must know before the first packet."""
    with av.open(str(path)) as source:
        return bytes(source.streams.video[0].codec_context.extradata or b"")

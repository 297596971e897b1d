"""Recordings in which every frame shows the keys that produced it, for whoever writes one."""

import json
from fractions import Fraction

import av
import numpy as np
from painter import SPACE, paint, some_controls

from worldmodel.data.episode import load_episode
from worldmodel.data.importers.gameplay import import_gameplay

SIZE = (16, 48)
KEYS = ("KeyA", "KeyD", "KeyW", "KeyS", "KeyQ", "KeyE")  # in the order of SPACE's buttons


def film(
    path,
    frames,
    *,
    fps=20,
    times=None,
    audio=False,
    codec="libx264",
    options=None,
    sar=None,
):
    """Write a video of frames uint8 [h w 3], at a constant rate or at these times in seconds."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(fps).limit_denominator(1001))
        stream.options = options or (
            {"crf": "8", "preset": "ultrafast", "threads": "1"} if codec == "libx264" else {}
        )
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv444p"
        if sar:
            stream.sample_aspect_ratio = sar
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        sound = container.add_stream("aac", rate=8000) if audio else None
        for index, picture in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            if times is not None:
                frame.pts, frame.time_base = round(times[index] * 1000), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        if sound:
            silence = av.AudioFrame.from_ndarray(
                np.zeros((1, 8000), np.float32), format="fltp", layout="mono"
            )
            silence.sample_rate, silence.pts = 8000, 0
            container.mux(sound.encode(silence))
            container.mux(sound.encode())
        container.mux(stream.encode())
    return path


def painted(controls):
    """The frames that these controls produced, in their order."""
    return [paint(control) for control in controls]


def held(control):
    """The keys of a control."""
    return [key for key, down in zip(KEYS, control, strict=True) if down > 0.5]


def key_changes(controls):
    """(index of the frame that first shows it, key, down) of every change."""
    before = np.zeros(len(KEYS))
    for index, control in enumerate(controls):
        for place, key in enumerate(KEYS):
            if control[place] != before[place]:
                yield index, key, bool(control[place])
        before = control


def imported(source, out, **settings):
    """Import with the painter's controls and size; return the episodes in their order."""
    controls = settings.pop("controls", "painter")
    if controls == "painter":
        folder = out.parent / "like"
        if not folder.exists():
            from painter import write

            write(folder, some_controls(2))
        settings["controls"] = folder
    import_gameplay(source, out, **{"size": SIZE, "heldout": 0.0, "shortest": 2, **settings})
    return [load_episode(folder) for folder in sorted(out.glob("*/*/"))]


def notes(out):
    """Everything that the import said of its recordings."""
    done = json.loads((out / "import.json").read_text())["done"]
    return " ".join(note for result in done.values() for note in result["notes"])


__all__ = ["KEYS", "SIZE", "SPACE", "film", "held", "imported", "key_changes", "notes", "painted"]

"""What the page is told about worlds, scenes and the state of play, as JSON."""

import time
from typing import Any

from worldmodel.serve.limits import Limits
from worldmodel.serve.play import Play, Shown
from worldmodel.serve.protocol import VERSION, FrameHeader
from worldmodel.serve.shelf import Shelf
from worldmodel.serve.worlds import Library, World


def ready(play: Play, library: Library, limits: Limits) -> dict[str, Any]:
    """Everything that stays the same while one world is played."""
    world, engine = play.world, play.engine
    return {
        "t": "ready",
        "v": VERSION,
        "worlds": [{"name": w.name, "title": w.title} for w in library.worlds.values()],
        "world": world.name,
        "title": world.title,
        "fps": engine.fps,
        "height": engine.size[0],
        "width": engine.size[1],
        "controls": engine.controls.to_json(),
        "scenes": world.cards,
        "picture_bytes": limits.picture_bytes,
        "recording_seconds": limits.recording_seconds,
    }


def loading(world: World) -> dict[str, Any]:
    """The state while a world loads."""
    return {
        "t": "state",
        "phase": "loading",
        "world": world.name,
        "title": world.title,
        "note": world.note,
        "seconds": round(time.monotonic() - world.began, 1),
    }


def playing(play: Play, paused: bool, shelf: Shelf) -> dict[str, Any]:
    """The state of a world that is there; `finishing` while a recording is being written."""
    return {
        "t": "state",
        "phase": "paused" if paused else "playing",
        "world": play.world.name,
        "scene": play.scene(None).name,
        "seed": play.engine.seed,
        "trained": play.engine.trained,
        "settings": {"steps": play.settings.steps, "guidance": play.settings.guidance},
        "can_rewind": play.can_rewind,
        "recording": play.recorder is not None,
        "finishing": shelf.busy,
        "recordings": [
            {"name": r.name, "frames": r.frames, "seconds": round(r.frames / play.engine.fps, 1)}
            for r in shelf.recordings
        ],
    }


def header(play: Play, shown: Shown, serial: int, flags: int) -> FrameHeader:
    """What the frame's binary message says about it."""
    height, width = shown.frame.shape[:2]
    pressed = shown.reading.controls[: len(play.engine.controls.buttons)][:16] > 0.5
    return FrameHeader(
        width=width,
        height=height,
        serial=serial,
        frame=shown.index,
        seq=shown.reading.seq,
        model_us=int(shown.seconds * 1e6),
        flags=shown.flags | flags,
        buttons=sum(1 << bit for bit, down in enumerate(pressed) if down),
    )

"""The one schema at rest: a folder with video.mp4, actions.jsonl and meta.json.

Frame 0 is what `reset` returned and its control is all zeros; action[k] produced frame[k].
"""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from worldmodel.data.actions import action_record, read_actions
from worldmodel.data.atomic import partial_of, publish, write_json
from worldmodel.data.meta import AXES, Meta, load_meta
from worldmodel.data.video import VideoWriter, read_video
from worldmodel.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Episode:
    """Frames uint8 [t h w 3], controls float32 [t k], and the keys held at each frame."""

    frames: np.ndarray
    controls: np.ndarray
    keys: list[tuple[str, ...]]
    meta: Meta


class EpisodeWriter:
    """Records an episode; the folder appears under its name when `close` has succeeded.

    As a context manager it closes at the end, and leaves nothing when the block raises. Raises
    UserError when the folder exists.
    """

    live = False  # whether what was appended is readable before `close`

    def __init__(self, folder: str | Path, meta: Meta) -> None:
        self.folder, self.meta, self.frames = Path(folder), meta, 0
        if self.folder.exists():
            raise UserError(f"{self.folder} exists already; choose another name or delete it.")
        unknown = set(meta.controls.axes) - set(AXES)
        if unknown:
            raise ValueError(f"An episode stores the axes {sorted(AXES)}, not {sorted(unknown)}.")
        self._partial = self._claim()
        self._video = VideoWriter(self._partial / "video.mp4", meta.fps, meta.size, self.live)
        actions = self._partial / "actions.jsonl"
        self._actions = actions.open("w", encoding="utf-8", buffering=1 if self.live else -1)
        self._keys: tuple[str, ...] = ()

    def append(
        self,
        frame: np.ndarray,
        controls: np.ndarray,
        keys: Sequence[str] = (),
        milli: float | None = None,
    ) -> None:
        """Add a frame, uint8 [h w 3], and the control, float32 [k], that produced it.

        `keys` are the held keys in the order they were pressed; without them, the first key of
        each button. `milli` is when the frame was taken, in milliseconds after the first one,
        where a clock told; without it, the frame's number says. Raises ValueError when frame or
        keys do not agree with meta and controls.
        """
        space = self.meta.controls
        keys = tuple(keys) or space.keys_for(controls)
        buttons, axes = np.split(np.asarray(controls, np.float32), [len(space.buttons)])
        if frame.shape != (*self.meta.size, 3) or frame.dtype != np.uint8:
            raise ValueError(f"A frame should be uint8 {self.meta.size}, not {frame.shape}.")
        if not np.array_equal(space.from_keys(keys)[: len(buttons)], buttons):
            raise ValueError(f"The keys {keys} do not press {space.pressed(controls)}.")
        values = dict(zip(space.axes, map(float, axes), strict=True))
        record = action_record(self.frames, self.meta.fps, keys, self._keys, values)
        if milli is not None:
            record["milli"] = round(milli, 3)
        self._actions.write(json.dumps(record) + "\n")
        self._video.append(frame)
        self._keys = keys
        self.frames += 1

    def close(self) -> None:
        """Finish the files, have them on the disk and give the folder its name."""
        if self.frames == 0:
            self.discard()
            raise ValueError("An episode needs at least its first frame.")
        self._video.close()
        self._actions.close()
        write_json(self._partial / "meta.json", self.meta.to_json(self.frames))
        publish(self._partial, self.folder)

    def discard(self) -> None:
        """Throw the recording away."""
        self._actions.close()
        self._video.discard()
        shutil.rmtree(self._partial, ignore_errors=True)

    def _claim(self) -> Path:
        """A new folder to write into, beside that of the episode."""
        partial = partial_of(self.folder)
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        return partial

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()


def load_episode(folder: str | Path) -> Episode:
    """Read an episode; raise UserError, naming the file, when anything in it is damaged."""
    folder = Path(folder)
    meta, count = load_meta(folder)
    controls, keys = read_actions(folder / "actions.jsonl", count, meta.controls)
    frames = read_video(folder / "video.mp4", count, meta.size)
    return Episode(frames=frames, controls=controls, keys=keys, meta=meta)

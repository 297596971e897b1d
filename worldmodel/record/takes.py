"""Frames in, episodes out: where one begins, where it ends, what is left out."""

import time
from dataclasses import replace
from typing import Any

import numpy as np

from worldmodel.data.learned import is_learned, learned
from worldmodel.data.live import LiveEpisodeWriter
from worldmodel.data.meta import Meta
from worldmodel.errors import UserError
from worldmodel.games.base import ControlSpace
from worldmodel.record.keys import DESKTOP
from worldmodel.record.log import Held
from worldmodel.record.shelf import Shelf

GAP = 0.5  # seconds without a frame after which an episode is not continued
FEWEST = 2  # frames of an episode that is worth keeping
SYNC = 1.0  # seconds between two times that everything is put on the disk


class Takes:
    """Writes what is seen and held into episodes of at most `longest` seconds.

    With `skip_idle`, what comes after so many seconds without input is left out, and the next
    input begins an episode, whose first frame is the one before it. `meta` may be replaced
    between episodes. Keys without a button are left out, unless the controls are learned. Not for
    several threads.
    """

    def __init__(
        self,
        shelf: Shelf,
        meta: Meta,
        *,
        longest: float = 120.0,
        skip_idle: float | None = None,
        notes: dict[str, Any] | None = None,
    ) -> None:
        if longest * meta.fps < FEWEST or (skip_idle is not None and skip_idle < 0):
            raise UserError(
                f"an episode needs {FEWEST} frames and idling a time of 0 s or more, but "
                f"{longest:g} s and {skip_idle} s were given"
            )
        self.shelf, self.meta = shelf, shelf.check(meta)
        self.episodes = self.frames = 0  # finished, and all that was written
        self.idle = False  # whether frames are being left out
        self._longest, self._skip, self._notes = longest, skip_idle, notes or {}
        self._writer: LiveEpisodeWriter | None = None
        self._fixed = ""  # the split, where it is not the shelf's choice
        self._touched: float | None = None  # when something was held last
        self._before: tuple[np.ndarray, float] | None = None  # the last frame that was left out

    @property
    def name(self) -> str:
        """The episode being written, or "" between episodes."""
        writer = self._writer  # another thread may be asking
        return f"{writer.folder.parent.name}/{writer.folder.name}" if writer else ""

    def add(
        self,
        frame: np.ndarray,
        held: Held,
        at: float,
        missed: int = 0,
        controls: np.ndarray | None = None,
    ) -> None:
        """Add a frame uint8 [h w 3] and what was held while it came about.

        `at` is in seconds; `missed` frames before it could not be taken; `controls` float32 [k]
        are those that the keys press unless given. Raises OSError when the disk is full.
        """
        if missed > GAP * self.meta.fps:
            self.cut()
        if self._leave_out(frame, held, at):
            return
        if self._writer is None:
            self._begin(frame, at)
            if self._first_at == at:
                return
        self._missed += missed
        self._append(frame, held, at, controls)
        if self._writer.frames >= self._longest * self.meta.fps:
            self.cut()

    def begin(self, split: str, seed: int) -> None:
        """End the episode; those that follow are of this split and seed."""
        self.cut()
        self._fixed, self.meta = split, replace(self.meta, seed=seed)

    def cut(self, *, ended: bool = False) -> None:
        """End the episode, which the game has `ended` or not; the next frame begins another one."""
        writer, self._writer, self._before = self._writer, None, None
        self.idle, self._touched = False, None
        if writer is None:
            return
        if writer.frames < FEWEST:
            self.frames -= writer.frames
            writer.discard()
            return
        writer.note(self._note(writer))
        if ended:
            writer.end()
        frames = writer.frames
        writer.close()
        self.shelf.count(self._split, writer.meta, frames)
        self.episodes += 1

    def drop(self) -> None:
        """Throw the episode away."""
        writer, self._writer, self._before = self._writer, None, None
        if writer is not None:
            self.frames -= writer.frames
            writer.discard()

    def abandon(self) -> None:
        """Leave the episode to `repair`, when it can be neither continued nor finished."""
        if self._writer is not None:
            self._writer.abandon()
            self._writer = None

    def _leave_out(self, frame: np.ndarray, held: Held, at: float) -> bool:
        """Whether nobody has touched anything for too long."""
        if not held.idle or self._touched is None:
            self._touched = at
        touched = self._touched
        if self._skip is None or at - touched <= self._skip + 1e-6:
            self.idle = False
            return False
        self.cut()
        self.idle, self._touched = True, touched
        self._before = frame, at
        return True

    def _begin(self, frame: np.ndarray, at: float) -> None:
        """Open an episode with the frame before this one, if it was left out, or with this one."""
        if self._before is not None and at - self._before[1] < 2.5 / self.meta.fps:
            frame, at = self._before
        self._before = None
        self._split = self._fixed or self.shelf.split()
        self._writer = LiveEpisodeWriter(self.shelf.named_by_time(self._split), self.meta)
        self._first_at = self._synced = at
        self._missed, self._started = 0, time.strftime("%Y-%m-%dT%H:%M:%S%z")
        self._writer.note(self._note(self._writer))
        self._append(frame, Held(), at)

    def _append(
        self, frame: np.ndarray, held: Held, at: float, controls: np.ndarray | None = None
    ) -> None:
        space = self._space(held)
        keys = tuple(key for key in held.keys if key in space.keymap)
        if controls is None:
            controls = space.from_keys(keys)
            for index, axis in enumerate(space.axes, len(space.buttons)):
                controls[index] = {"look_x": held.dx, "look_y": held.dy}[axis]
        self._writer.append(frame, controls, keys, 1000 * (at - self._first_at))
        self.frames += 1
        if at - self._synced >= SYNC:
            self._writer.sync()
            self._synced = at

    def _space(self, held: Held) -> ControlSpace:
        space = self.meta.controls
        new = {*held.keys} - {*space.buttons} - DESKTOP
        if new and is_learned(space):
            space = learned({*space.buttons, *new}, space.axes)
            self.meta = replace(self.meta, controls=space)
            self._writer.learn(space)
        return space

    def _note(self, writer: LiveEpisodeWriter) -> dict[str, Any]:
        seconds = writer.frames / self.meta.fps
        return {
            **self._notes,
            "started": self._started,
            "first_frame_at": self._first_at,
            "seconds": round(seconds, 3),
            "missed_frames": self._missed,
        }

"""One player's world: his engine, its scene and settings, and what is recorded of it."""

import random
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from worldmodel.data.meta import Meta
from worldmodel.errors import UserError
from worldmodel.serve.inputs import Inputs, Reading
from worldmodel.serve.loop import EngineLoop
from worldmodel.serve.protocol import FLAG_FIRST, FLAG_RECORDED
from worldmodel.serve.recording import Recorder
from worldmodel.serve.worlds import World

OWN_PICTURE = "own-picture"
RANDOM_SEEDS = 1_000_000  # few digits: a seed that can be read out


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A frame uint8 [h w 3] as it goes to the player, with what its header says."""

    frame: np.ndarray
    index: int
    reading: Reading
    seconds: float
    flags: int


class Play:
    """Drives one fork of a world's engine. Every device call goes through the engine loop."""

    def __init__(self, world: World, engine: Any, loop: EngineLoop) -> None:
        self.world = world
        self.engine = engine
        self.version = world.version
        self.defaults = engine.settings
        self.inputs = Inputs(engine.controls)
        self.own: Any = None  # the scene of the player's own picture
        self.recorder: Recorder | None = None
        self.shown: Shown | None = None
        self._loop = loop
        self._past: deque[tuple[Any, Shown]] = deque()

    async def take_up(self, newer: Any, version: int) -> None:
        """Go on in a newer version of this world, between two frames.

        Scene, seed, past and whatever settings the player has changed are kept. Raises UserError
        when the newer one has other sizes or controls.
        """
        self.version = version
        former = self.engine

        def go_on() -> Any:
            fork = newer.fork()
            if self.shown:
                fork.restore(former.snapshot())
            own = former.settings != self.defaults
            fork.settings = former.settings if own else newer.settings
            return fork

        self.engine = await self._loop.run(go_on)
        self.defaults = newer.settings

    @property
    def settings(self) -> Any:
        """The engine's settings."""
        return self.engine.settings

    @property
    def can_rewind(self) -> bool:
        """Whether there is a moment to go back to."""
        return bool(self._past)

    def set(self, steps: int | None, guidance: float | None) -> None:
        """Change what is given; it holds from the next frame on."""
        changes = {"steps": steps, "guidance": guidance}
        given = {name: value for name, value in changes.items() if value is not None}
        self.engine.settings = replace(self.engine.settings, **given)

    def scene(self, name: str | None) -> Any:
        """The scene of that name; None is the present one, or the first."""
        if name is None:
            return self.engine.scene if self.shown else self.engine.scenes[0]
        if name == OWN_PICTURE and self.own is not None:
            return self.own
        for scene in self.engine.scenes:
            if scene.name == name:
                return scene
        raise UserError(f"There is no scene {name!r} in {self.world.title}; choose another.")

    async def start(self, name: str | None, seed: int | None) -> Shown:
        """Enter a scene; without a seed, a random one."""
        scene = self.scene(name)
        seed = random.randrange(RANDOM_SEEDS) if seed is None else seed
        frame = await self._loop.run(lambda: self.engine.reset(scene, seed))
        self._past.clear()
        self.inputs.release()
        return self._first(frame, 0)

    async def take_picture(self, picture: np.ndarray) -> None:
        """Make the scene `own-picture` of uint8 [H W 3]."""
        self.own = await self._loop.run(lambda: self.engine.scene_from_picture(picture))

    async def step(self) -> Shown:
        """The next frame, with the input as it is when the step begins."""
        group, anew = (self.world.name, self.settings), self.engine.over
        stepped = await self._loop.step(self.engine, self.inputs.read, group)
        if self.recorder and anew:
            self.recorder.begin_level(stepped.frame)
        elif self.recorder:
            self.recorder.append(stepped.frame, stepped.reading.controls, stepped.reading.keys)
        self.shown = Shown(
            frame=stepped.frame,
            index=self.engine.frame_index,
            reading=stepped.reading,
            seconds=stepped.seconds,
            flags=FLAG_RECORDED if self.recorder else 0,
        )
        return self.shown

    async def remember(self, keep: int) -> None:
        """Keep this moment to rewind to; the oldest beyond `keep` are forgotten."""
        snapshot = await self._loop.run(self.engine.snapshot)
        self._past.append((snapshot, self.shown))
        while len(self._past) > keep:
            self._past.popleft()

    async def rewind(self) -> Shown | None:
        """Go back to the last moment kept that is a second old, or None without one."""
        if not self._past:
            return None
        while len(self._past) > 1 and self._age(self._past[-1][1]) < self.engine.fps:
            self._past.pop()
        (snapshot, shown), settings = self._past.pop(), self.settings
        await self._loop.run(lambda: self.engine.restore(snapshot))
        self.engine.settings = settings
        self.inputs.release()
        return self._first(shown.frame, self.engine.frame_index)

    def record(self, begin: Callable[[Meta, np.ndarray], Recorder]) -> None:
        """Begin recording at the frame on the screen."""
        space, size = self.engine.controls, self.engine.size
        meta = Meta(
            fps=self.engine.fps,
            size=size,
            controls=space,
            game=f"dream of {self.world.name}",
            seed=self.engine.seed,
            player="person",
            licence=self.engine.licence,
        )
        self.recorder = begin(meta, self.shown.frame)

    def stop_recording(self) -> Future | None:
        """The future Recording, or None when nothing was being recorded."""
        recorder, self.recorder = self.recorder, None
        return recorder.finish() if recorder else None

    def _age(self, shown: Shown) -> int:
        return self.engine.frame_index - shown.index

    def _first(self, frame: np.ndarray, index: int) -> Shown:
        zeros = np.zeros(self.engine.controls.size, np.float32)
        reading = Reading(controls=zeros, keys=(), seq=0)
        self.shown = Shown(frame=frame, index=index, reading=reading, seconds=0, flags=FLAG_FIRST)
        return self.shown

"""The loop that is on time: a picture, what was held until then, both to the writer."""

import time
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from worldmodel.record.log import Held, InputLog
from worldmodel.record.pace import Pace
from worldmodel.record.screen import Region, View, shrink
from worldmodel.record.status import Status
from worldmodel.record.takes import Takes
from worldmodel.record.tell import refusal
from worldmodel.record.worker import Worker

NAP = 0.004  # seconds between two looks at a gamepad


class Grabs(Protocol):
    """What takes the pictures."""

    screen: Region

    def grab(self, region: Region) -> np.ndarray | None: ...


class Recorder:
    """Records what `view` shows at a steady rate, from `toggle` to `toggle`, until `stop`.

    `toggle`, `discard` and `stop` may be called from any thread. Action k is what was held
    between the moments at which the pictures k - 1 and k began to be taken, each less `latency`
    seconds. Slots that were missed are counted and left out, never filled.
    """

    def __init__(
        self,
        view: View,
        camera: Grabs,
        log: InputLog,
        takes: Takes,
        worker: Worker,
        *,
        latency: float = 0.0,
        crop: bool = False,
        clock: Callable[[], float] = time.perf_counter,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.view, self.camera, self.log = view, camera, log
        self.takes, self.worker = takes, worker
        self.pad: Any | None = None  # a Gamepad
        self.keyboard: Any | None = None  # has `probe()`: which keys are down
        self.heard: Callable[[bool], None] = lambda focused: None  # told who has the keyboard
        self.recording, self.dropped, self.notice, self.held = False, 0, "", Held()
        self._latency, self._crop = latency, crop
        self._clock, self._sleep = clock, sleep
        self._commands: deque[str] = deque()
        self._carry, self._missed = Held(), 0  # of frames that could not be written
        self._taken: deque[float] = deque(maxlen=64)
        self._region = Region(0, 0, 0, 0)

    def toggle(self) -> None:
        """Begin, pause or go on."""
        self._commands.append("toggle")

    def discard(self) -> None:
        """Throw away the episode being recorded."""
        self._commands.append("discard")

    def stop(self, *_: object) -> None:
        """End."""
        self._commands.append("stop")

    def run(self, show: Callable[[Status, float], None], seconds: float | None = None) -> None:
        """Record until `stop`, until the window is gone, or for so many seconds.

        Raises what the writer ran into, after leaving what it had written to `repair`.
        """
        pace = Pace(self.takes.meta.fps, self._clock())
        while seconds is None or pace.due - pace.start < seconds:
            self._wait(pace.due)
            if self._obey() or self.worker.error is not None:
                break
            if not self.step(pace.take(self._clock())):
                break
            show(self.status(), self._clock())

    def step(self, missed: int) -> bool:
        """Take one frame; returns whether there is anything left to record."""
        region = self.view.region()
        if region is None:
            self.notice = "the window was closed"
            return False
        if region[2:] != self._region[2:]:  # another size: never in the middle of an episode
            self.worker.put(self.takes.cut)
        self._region = region
        at = self._clock()
        visible = region.within(self.camera.screen) == region
        picture = self.camera.grab(region) if visible else None
        self.notice = "" if picture is not None else "the window is not wholly on the screen"
        self.held = self._listen(at)
        if self.recording:
            self._missed += missed
            self.dropped += missed
            self._write(picture, at)
        self._taken.append(at)
        return True

    def status(self) -> Status:
        """What to tell."""
        takes, region = self.takes, self._region
        state = ("IDLE" if takes.idle else "REC") if self.recording else "READY"
        span = self._taken[-1] - self._taken[0] if len(self._taken) > 1 else 0.0
        return Status(
            state=state,
            source=(region.width, region.height),
            size=takes.meta.size,
            rate=(len(self._taken) - 1) / span if span else 0.0,
            fps=takes.meta.fps,
            frames=takes.frames,
            dropped=self.dropped,
            episode=takes.name,
            held=self.held,
            notice=self.notice,
        )

    def _listen(self, at: float) -> Held:
        """What was held until the picture at `at`; nothing while others have the keyboard."""
        focused = self.view.has_keyboard()
        self.heard(focused)
        if not focused:
            self.log.clear()
            self.notice = self.notice or "another window has the keyboard"
            return Held()
        if self.pad is not None:
            self.pad.poll(at)
            self.pad.look(at - self._latency)
        if self.keyboard is not None:
            self.log.confirm(self.keyboard.probe(), self._clock())
        return self.log.take(at - self._latency)

    def _write(self, picture: np.ndarray | None, at: float) -> None:
        held, missed = self._carry.then(self.held), self._missed
        if picture is not None and self.worker.offer(self._work(picture, held, at, missed)):
            self._carry, self._missed = Held(), 0
            return
        self._carry, self._missed = held, missed + 1
        self.dropped += 1

    def _work(self, picture: np.ndarray, held: Held, at: float, missed: int) -> Callable[[], None]:
        def work() -> None:
            self.takes.add(shrink(picture, self.takes.meta.size, self._crop), held, at, missed)

        return work

    def _obey(self) -> bool:
        """Do what the hotkeys said; returns whether to end."""
        while self._commands:
            command = self._commands.popleft()
            if command == "stop":
                return True
            if command == "discard":
                self.worker.put(self.takes.drop)
            else:
                self.recording = not self.recording
                self.worker.put(self.takes.cut)
            self._carry, self._missed = Held(), 0
        return False

    def _wait(self, until: float) -> None:
        while (left := until - self._clock()) > 0:
            if self.pad is not None:
                self.pad.poll(self._clock())
                left = min(left, NAP)
            self._sleep(left)


def finish(takes: Takes, worker: Worker) -> None:
    """End the episode and the writer. Raises UserError when the disk did not take everything."""
    worker.put(takes.cut)
    worker.close()
    if worker.error is None:
        return
    takes.abandon()
    if isinstance(worker.error, OSError):
        raise refusal(worker.error, takes.shelf.data) from worker.error
    raise worker.error

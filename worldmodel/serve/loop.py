"""The one thread that owns the device and makes every player's frames."""

import asyncio
import queue
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from worldmodel.serve.inputs import Reading


@dataclass(frozen=True, kw_only=True)
class Stepped:
    """A new frame uint8 [h w 3], the input it consumed, and how long the step took."""

    frame: np.ndarray
    reading: Reading
    seconds: float


@dataclass(kw_only=True, eq=False)
class _Job:
    """Work for the thread. `read` is for steps only: it takes the input at the last moment."""

    work: Any
    read: Callable[[], Reading] | None = None
    group: Hashable = None
    future: Future = field(default_factory=Future)


class EngineLoop:
    """Runs jobs in order; steps of one group that are due together become one batch."""

    def __init__(self, step_together: Callable[[list, list], list]) -> None:
        self._step_together = step_together
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="engine", daemon=True)
        self._thread.start()

    async def run(self, work: Callable[[], Any]) -> Any:
        """Call `work` on the engine thread."""
        return await self._submit(_Job(work=work))

    async def step(self, engine: Any, read: Callable[[], Reading], group: Hashable) -> Stepped:
        """One frame of `engine`; engines with the same `group` may step as one batch."""
        return await self._submit(_Job(work=engine, read=read, group=group))

    def close(self) -> None:
        """Finish the jobs in hand and end the thread."""
        self._jobs.put(None)
        self._thread.join(timeout=10)

    async def _submit(self, job: _Job) -> Any:
        self._jobs.put(job)
        return await asyncio.wrap_future(job.future)

    def _work(self) -> None:
        while True:
            jobs = self._waiting_jobs()
            steps = defaultdict(list)
            for job in jobs:
                if job is None:
                    return
                if not job.future.set_running_or_notify_cancel():
                    continue
                if job.read is None:
                    _settle([job], lambda job=job: [job.work()])
                else:
                    steps[job.group].append(job)
            for group in steps.values():
                _settle(group, lambda group=group: self._steps(group))

    def _waiting_jobs(self) -> list[_Job | None]:
        jobs = [self._jobs.get()]
        while not self._jobs.empty():
            jobs.append(self._jobs.get())
        return jobs

    def _steps(self, jobs: list[_Job]) -> list[Stepped]:
        began = time.perf_counter()
        readings = [job.read() for job in jobs]
        controls = [reading.controls for reading in readings]
        if len(jobs) == 1:
            frames = [jobs[0].work.step(controls[0])]
        else:
            frames = self._step_together([job.work for job in jobs], controls)
        seconds = time.perf_counter() - began
        return [
            Stepped(frame=frame, reading=reading, seconds=seconds)
            for frame, reading in zip(frames, readings, strict=True)
        ]


def _settle(jobs: list[_Job], work: Callable[[], list]) -> None:
    try:
        results = work()
    except Exception as error:  # whatever it is, it belongs to whoever waits
        for job in jobs:
            job.future.set_exception(error)
    else:
        for job, result in zip(jobs, results, strict=True):
            job.future.set_result(result)

"""Jobs on several processes, which end with the process that started them."""

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context, parent_process
from multiprocessing.util import Finalize
from threading import Thread, main_thread
from typing import TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")

_open: list[Finalize] = []


def in_parallel(
    work: Callable[[Job], Result], jobs: Sequence[Job], workers: int
) -> Iterator[Result]:
    """Yield each job's result as it is finished; `work` and the jobs must be picklable.

    An interruption lets the jobs under way finish and starts no more. The first exception of a
    job is raised here.
    """
    pool = ProcessPoolExecutor(
        min(workers, len(jobs)), mp_context=get_context("spawn"), initializer=_follow_parent
    )
    try:
        for done in as_completed([pool.submit(work, job) for job in jobs]):
            yield done.result()
    finally:
        pool.shutdown(cancel_futures=True)


def close_with_worker(close: Callable[[], None]) -> None:
    """Have a worker process call `close` when it ends, also when its parent was killed."""
    _open.append(Finalize(None, close, exitpriority=1))


def _follow_parent() -> None:
    """Leave interruptions to the parent; end when it is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent_process().join()
    signal.pthread_kill(main_thread().ident, signal.SIGTERM)  # wakes it where it waits


def _end(*_: object) -> None:
    """Close what is open and leave at once: the pool would take an exception for a job's."""
    for close in _open:
        close()
    os._exit(1)

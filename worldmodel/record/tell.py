"""The last words of a recording, and that it has them when it is told to end."""

import errno
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from worldmodel.errors import UserError
from worldmodel.record.takes import Takes


def tell(takes: Takes, dropped: int = 0, notice: str = "") -> None:
    """Say what there is now, and what comes next."""
    seconds = takes.frames / takes.meta.fps
    print(
        (f"{notice}; " if notice else "")
        + f"{takes.episodes} episodes with {takes.frames} frames ({seconds:.1f} s) in "
        f"{takes.shelf.data}, {dropped} frames dropped"
    )


@contextmanager
def ended_by_signals(stop: Callable[..., None]) -> Iterator[None]:
    """Have Ctrl+C, a closed terminal and `kill` end the recording and finish the episode."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    names = [n for n in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, n)]
    before = {number: signal.signal(number, stop) for number in (getattr(signal, n) for n in names)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def refusal(error: OSError, data: Path) -> UserError:
    """The sentence for a disk that is full or that takes nothing else."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return UserError(
            f"the disk took no more ({error.strerror}); what was recorded until then is kept, so "
            f"make room and run `worldmodel repair {data}`"
        )
    return UserError(
        f"{error.filename or data} cannot be written ({error.strerror or error}); choose another "
        "folder"
    )

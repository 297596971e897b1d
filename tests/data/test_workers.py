"""Workers do their jobs, and never outlive the process that started them."""

import os
import signal
import subprocess
import sys
import time

import pytest

from worldmodel.data.workers import in_parallel

SCRIPT = """
import os, sys, time
from worldmodel.data.workers import close_with_worker, in_parallel

def work(folder):
    open(f"{folder}/{os.getpid()}.began", "w").close()
    close_with_worker(lambda: open(f"{folder}/{os.getpid()}.closed", "w").close())
    time.sleep(1000)

if __name__ == "__main__":
    list(in_parallel(work, [sys.argv[1]] * 2, 2))
"""


def wait_for(condition, seconds=20):
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "nothing happened"
        time.sleep(0.02)


def gone(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return False


def test_a_killed_parent_takes_its_workers_along(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    parent = subprocess.Popen([sys.executable, script, tmp_path])
    wait_for(lambda: len(list(tmp_path.glob("*.began"))) == 2)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    workers = [int(path.stem) for path in tmp_path.glob("*.began")]
    wait_for(lambda: all(map(gone, workers)))
    assert sorted(int(path.stem) for path in tmp_path.glob("*.closed")) == sorted(workers)


def test_the_first_failing_job_is_raised_here():
    with pytest.raises(ValueError, match="invalid literal"):
        list(in_parallel(int, ["3", "three"], 2))


def test_every_job_gives_its_result():
    assert sorted(in_parallel(int, ["3", "1", "2"], 2)) == [1, 2, 3]

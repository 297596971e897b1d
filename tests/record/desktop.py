"""A recorder in a process of its own, on a virtual display with a window that shows its keys."""

import os
import subprocess
import sys
import time
from contextlib import contextmanager

KEYS = "KeyW=forward KeyA=left KeyD=right Space=jump"
PATIENCE = 60.0


def until(true, what):
    """Wait for something that must come."""
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, f"{what} did not come"
        time.sleep(0.02)


class Run:
    """`worldmodel record`, which tells its state on stderr."""

    def __init__(self, folder, words):
        self.folder, self.log = folder, folder.with_suffix(".log")
        command = [sys.executable, "-m", "worldmodel", "record", str(folder), *words]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, stderr=log, stdout=log, env=environment)

    def said(self, text):
        return text in self.log.read_text()

    def frames(self):
        """Lines of actions of the episode being recorded."""
        found = list(self.folder.glob("*/.*.recording/actions.jsonl"))
        return len(found[0].read_text().splitlines()) if found else 0

    def wait_for(self, text):
        until(lambda: self.said(text) or self.process.poll() is not None, text)
        assert self.said(text), self.log.read_text()

    def record(self, more=8):
        """Wait until so many more frames are written."""
        before = self.frames()
        until(lambda: self.frames() >= before + more, "a frame")


@contextmanager
def running(folder, *words):
    run = Run(folder, words)
    try:
        yield run
    finally:
        run.process.kill()
        run.process.wait()

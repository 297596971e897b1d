"""What takes a process away takes nothing of a run: kill -9, a full disk, a save cut short."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file
from stages_in_a_row import STEPS, train_all
from test_training_loop import assert_same_run, run_training
from tiny import quick
from together import environment

from worldmodel.data.atomic import sync
from worldmodel.errors import UserError
from worldmodel.train.log import RunLog
from worldmodel.train.state import forget_states, saved_step

HERE = Path(__file__).parent
PARTS = "whole", "parts"
STAGES = "tokenizer", "motion", "world"


class Process:
    """The training of all stages in a process of its own."""

    def __init__(self, data, runs):
        path = ":".join(map(str, (HERE.parents[1], HERE.parent)))
        self.runs = runs
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "stages_in_a_row.py"), str(data), str(runs)],
            env=environment(PYTHONPATH=path),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def kill_in(self, stage):
        """kill -9 somewhere after a stage's first update; where exactly is up to the machine."""
        while self.process.poll() is None and not (self.runs / stage / "log.jsonl").exists():
            time.sleep(0.005)
        while self.process.poll() is None and saved_step(self.runs / stage) < 1:
            time.sleep(0.005)
        assert self.process.poll() is None, self.process.communicate()[0]
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()
        assert 1 <= saved_step(self.runs / stage) <= STEPS

    def finish(self):
        said = self.process.communicate(timeout=300)[0]
        assert self.process.returncode == 0, said


def test_every_stage_survives_kill_9_to_the_bit(arrays, tmp_path):
    """N updates are k updates, a killed process and N - k updates."""
    train_all(arrays, tmp_path / "whole")
    for stage in STAGES:
        Process(arrays, tmp_path / "parts").kill_in(stage)
    Process(arrays, tmp_path / "parts").finish()
    for stage in STAGES:
        assert_same_run(tmp_path / "whole" / stage, tmp_path / "parts" / stage)
    weights = [load_file(tmp_path / p / "world/checkpoint/world.safetensors") for p in PARTS]
    assert all((tensor == weights[1][name]).all() for name, tensor in weights[0].items())


class Gone(BaseException):
    """Stands for a process that is killed inside a call: nothing catches it."""


def half_written(tensors, path, **options):
    path.write_bytes(b"half a state")


@pytest.mark.parametrize(
    ("function", "done"),
    [
        ("worldmodel.train.state.save_file", lambda *arguments, **options: None),
        ("worldmodel.train.state.save_file", half_written),
        ("worldmodel.train.state.save_file", save_file),  # whole, but not under its name
        ("worldmodel.train.state.sync", sync),  # under its name, but not published
        ("worldmodel.train.loop.forget_states", forget_states),
    ],
)
def test_a_run_killed_while_saving_loses_nothing(tmp_path, monkeypatch, function, done):
    config, calls = quick(save_every=2), []

    def deadly(*arguments, **options):
        calls.append(arguments)
        if len(calls) == 2:
            done(*arguments, **options)
            raise Gone
        return real[function](*arguments, **options)

    real = {f"worldmodel.train.state.{f.__name__}": f for f in (save_file, sync)}
    real["worldmodel.train.loop.forget_states"] = forget_states
    run_training(tmp_path / "whole", config)
    with monkeypatch.context() as patch:
        patch.setattr(function, deadly)
        with pytest.raises(Gone):
            run_training(tmp_path / "parts", config)
    assert saved_step(tmp_path / "parts") == (2 if "save_file" in function else 4)
    run_training(tmp_path / "parts", config)
    assert_same_run(tmp_path / "whole", tmp_path / "parts")


@pytest.fixture
def small_disk(tmp_path):
    """A disk of a megabyte: a tiny run's states and pictures fit, not much else does."""
    if os.geteuid() or not shutil.which("mount"):
        pytest.skip("only root can mount a small disk; a fake one is tested in test_state.py")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(disk)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("this machine lets nobody mount a disk")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_is_a_sentence_and_the_last_state_is_intact(small_disk, tmp_path):
    config, run = quick(save_every=2, steps=6), small_disk / "run"
    run_training(tmp_path / "whole", config)
    run_training(run, config, at=1, what=lambda: signal.raise_signal(signal.SIGTERM))
    free = shutil.disk_usage(small_disk).free
    (small_disk / "films").write_bytes(b"x" * (free - 8192))
    with pytest.raises(UserError, match=r"No space left.*is intact.*make room") as error:
        run_training(run, config)
    assert "\n" not in str(error.value) and saved_step(run) == 2
    (small_disk / "films").unlink()
    run_training(run, config)
    assert_same_run(tmp_path / "whole", run)


@pytest.mark.parametrize("file", ["log.jsonl", "step-000004.png"])
def test_a_disk_that_fills_up_elsewhere_is_a_sentence_too(tmp_path, monkeypatch, file):
    def full(self, *arguments):
        raise OSError(28, "No space left on device")

    config = quick(save_every=2, steps=4)
    run_training(tmp_path, config, at=1, what=lambda: signal.raise_signal(signal.SIGTERM))
    with monkeypatch.context() as patch:
        if file == "log.jsonl":
            patch.setattr(RunLog, "write", full)
        else:
            patch.setattr("test_training_loop.Interrupted.draw", full)
        with pytest.raises(UserError, match=r"disk of .* is full \(No space left on device\)"):
            run_training(tmp_path, config)
    assert saved_step(tmp_path) == 2
    run_training(tmp_path, config)
    assert saved_step(tmp_path) == 4

"""A rank that dies under torchrun: it is reported, all begin again, and nothing is lost."""

import json
import os
import signal
import subprocess
import sys
import time

from test_training_loop import assert_same_run
from together import HERE, environment

from worldmodel.train.state import saved_step

STEPS = 12
SIZES = "--height 16 --width 48 --latent-channels 4 --fine 8 --coarse 8 "
SIZES += "--encoder-blocks 1 1 --decoder-blocks 1 1 "
TRAINING = f"--steps {STEPS} --batch 4 --accumulate 2 --learning-rate 1e-3 --warmup 2 --no-bf16 "
TRAINING += "--log-every 1 --save-every 1 --validate-every 1000 --picture-every 1000 --threads 1"


def events(run):
    path = run / "events.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    return [json.loads(line) for line in lines]


def launch(arrays, run):
    """The training by two ranks of torchrun in a process of its own."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    launcher += ["--nproc-per-node", "2", "--max-restarts", "2", "-m", "--", "worldmodel"]
    command = ["train", "tokenizer", str(arrays), "--run", str(run)]
    return subprocess.Popen(
        [*launcher, *command, *SIZES.split(), *TRAINING.split()],
        env=environment(PYTHONPATH=HERE.parents[1]),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_a_rank_that_is_killed_is_reported_and_nothing_is_lost(arrays, tmp_path):
    whole, run = launch(arrays, tmp_path / "whole"), tmp_path / "run"
    process = launch(arrays, run)
    while process.poll() is None and saved_step(run) < 2:
        time.sleep(0.01)
    assert process.poll() is None, process.communicate()[0]
    os.kill(events(run)[0]["process"], signal.SIGKILL)
    for one in (whole, process):
        said = one.communicate(timeout=300)[0]
        assert one.returncode == 0, said
    assert "exitcode: -9" in said, said
    assert "on 2 ranks, as a rank was lost (restart 1 by torchrun)" in said, said
    kinds = [(event["event"], event["ranks"], event["restart"]) for event in events(run)]
    assert kinds == [("began", 2, 0), ("resumed", 2, 1), ("finished", 2, 1)]
    assert 2 <= events(run)[1]["step"] <= STEPS
    assert_same_run(tmp_path / "whole", run)

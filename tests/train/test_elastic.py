"""A rank that dies under torchrun: it is reported, all begin again, and nothing is lost."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from safetensors.torch import load_file
from tiny import TOKENIZER, quick
from together import HERE, environment

from worldmodel.train.stages import train_tokenizer

STEPS = 12
SIZES = "--height 16 --width 48 --latent-channels 4 --fine 8 --coarse 8 "
SIZES += "--encoder-blocks 1 1 --decoder-blocks 1 1 "
TRAINING = f"--steps {STEPS} --batch 4 --accumulate 2 --learning-rate 1e-3 --warmup 2 --no-bf16 "
TRAINING += "--log-every 1 --save-every 1 --validate-every 1000 --picture-every 1000 --threads 1"


def events(run):
    path = run / "events.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    return [json.loads(line) for line in lines]


def state_of(run):
    from worldmodel.train.state import saved_step

    return saved_step(run)


def test_a_rank_that_is_killed_is_reported_and_the_run_goes_on(arrays, tmp_path):
    config = quick(
        steps=STEPS, accumulate=2, learning_rate=1e-3, bf16=False, save_every=1, log_every=1
    )
    torch.manual_seed(0)
    train_tokenizer(arrays, tmp_path / "alone", TOKENIZER, config)
    run = tmp_path / "run"
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    launcher += ["--nproc-per-node", "2", "--max-restarts", "2", "-m", "--", "worldmodel"]
    command = ["train", "tokenizer", str(arrays), "--run", str(run)]
    process = subprocess.Popen(
        [*launcher, *command, *SIZES.split(), *TRAINING.split()],
        env=environment(PYTHONPATH=HERE.parents[1]),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    while process.poll() is None and state_of(run) < 2:
        time.sleep(0.01)
    assert process.poll() is None, process.communicate()[0]
    os.kill(events(run)[0]["process"], signal.SIGKILL)
    said = process.communicate(timeout=300)[0]
    assert process.returncode == 0, said
    assert "exitcode: -9" in said, said
    assert "on 2 ranks, as a rank was lost (restart 1 by torchrun)" in said, said
    kinds = [(event["event"], event["ranks"], event["restart"]) for event in events(run)]
    assert kinds == [("began", 2, 0), ("resumed", 2, 1), ("finished", 2, 1)]
    assert events(run)[1]["step"] >= 2
    losses = [[json.loads(x)["loss"] for x in log_of(path)] for path in (tmp_path / "alone", run)]
    assert len(losses[1]) == STEPS and losses[1] == pytest.approx(losses[0], rel=1e-4)
    expected = load_file(tmp_path / "alone" / "tokenizer.safetensors")
    for name, tensor in load_file(run / "tokenizer.safetensors").items():
        torch.testing.assert_close(tensor, expected[name], rtol=0, atol=1e-4, msg=name)


def log_of(run):
    return [line for line in (run / "log.jsonl").read_text().splitlines() if "loss" in line]

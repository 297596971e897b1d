"""All stages of a tiny world one after another, as a process that can be killed: DATA RUNS."""

import dataclasses
import sys
from pathlib import Path

import torch

STEPS = 6


def train_all(data, runs):
    """Train tokenizer, motion and world; what is done already is found done."""
    from tiny import MOTION, TOKENIZER, WORLD, quick

    from worldmodel.train.objectives.rectified_flow import FlowConfig
    from worldmodel.train.stages import train_motion, train_tokenizer, train_world

    usual = {"device": "cpu", "steps": STEPS, "save_every": 1, "log_every": 2, "accumulate": 2}
    fit = {"grid": (4, 4), "latent_channels": 1, "controls": 1}
    train_tokenizer(data, runs / "tokenizer", TOKENIZER, quick(**usual))
    motion, world = (dataclasses.replace(sizes, **fit) for sizes in (MOTION, WORLD))
    train_motion(data, runs / "tokenizer", runs / "motion", motion, quick(**usual, bf16=False))
    train_world(
        data, runs / "tokenizer", runs / "world", world,
        quick(**usual, muon=True), FlowConfig(clip=6), runs / "motion",
    )  # fmt: skip


if __name__ == "__main__":
    torch.set_num_threads(1)
    train_all(Path(sys.argv[1]), Path(sys.argv[2]))

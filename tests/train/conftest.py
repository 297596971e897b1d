"""A small prepared recording of the painter's game."""

import pytest
import torch
from painter import some_controls, write
from tiny import MOVING_WORLD, motion, tokenizer, world

from worldmodel.checkpoint import CheckpointConfig, save_checkpoint, tokenizer_hash
from worldmodel.data.clips import FrameStore
from worldmodel.data.prepare import prepare


@pytest.fixture(scope="session")
def arrays(tmp_path_factory):
    """Two training episodes of 48 frames and two held-out ones, prepared."""
    folder = tmp_path_factory.mktemp("recording")
    for index, split in enumerate(("train", "train", "heldout", "heldout")):
        write(folder / split / f"{index:06d}", some_controls(48, seed=index), seed=index)
    return prepare(folder, workers=1)


@pytest.fixture(scope="module")
def checkpoint(arrays, tmp_path_factory):
    """A tiny untrained world of the painter's game."""
    torch.manual_seed(0)
    tokens, network, mover = tokenizer(), world(MOVING_WORLD), motion()
    store = FrameStore(arrays / "train")
    config = CheckpointConfig(
        title="stripes", game=store.game, licence=store.licence, fps=store.fps,
        controls=store.space, tokenizer=tokens.config, tokenizer_hash=tokenizer_hash(tokens),
        world=network.config,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("world")
    save_checkpoint(folder, config, tokens, network, mover)
    return folder

"""Recordings of the strip, and worlds that dream it well, badly or not at all."""

from types import SimpleNamespace

import pytest
import torch
from strip import SIZE, SPACE, Strip, record

from worldmodel.checkpoint import PlayConfig
from worldmodel.data.clips import FrameStore
from worldmodel.evaluate import figures


@pytest.fixture(scope="session")
def strip_arrays(tmp_path_factory):
    """Three episodes of each split, of which held-out ones have odd seeds."""
    folder = tmp_path_factory.mktemp("strip")
    record(folder / "train", [0, 2, 4])
    record(folder / "heldout", [1, 3, 5])
    return folder


@pytest.fixture
def few_draws(monkeypatch):
    """Bootstraps of twenty draws: their values are the same, and nobody reads the ends."""
    monkeypatch.setattr(figures, "DRAWS", 20)


@pytest.fixture
def heldout(strip_arrays):
    return FrameStore(strip_arrays / "heldout")


@pytest.fixture
def strip_world():
    """As much of a world as sections ask for; what it dreams is for the test to say."""
    tokenizer = SimpleNamespace(height=SIZE[0], width=SIZE[1])
    config = SimpleNamespace(
        controls=SPACE, tokenizer=tokenizer, world=SimpleNamespace(window=4), title="strip",
        play=PlayConfig(),
    )  # fmt: skip
    return SimpleNamespace(config=config, name="strip")


def follow(pasts, keys):
    """What the game shows after `pasts` under `keys`, found by playing it from its pictures."""
    out = []
    for clip, controls, seed in zip(pasts.frames, keys, pasts.seeds, strict=True):
        out.append(_play(clip[-1], pasts.controls[len(out), -1], int(seed), controls))
    return torch.stack(out)


def _play(last, held, seed, controls):
    game = Strip()
    game.reset(seed)
    for place in range(30):
        game.place = place
        shown = torch.from_numpy(game._picture(held[2] > 0.5)).float()
        if torch.equal(shown, last.float()):
            return torch.stack([torch.from_numpy(game.step(c)) for c in controls.numpy()])
    raise AssertionError("the past shows no place of the strip")


@pytest.fixture
def perfect():
    """A dream that is the game: dream(world, pasts, keys, ...)."""
    return lambda world, pasts, keys, **_: follow(pasts, keys)


@pytest.fixture
def deaf():
    """A dream in which one button does nothing: deaf(index)."""

    def to(index):
        def dream(world, pasts, keys, **_):
            heard = keys.clone()
            heard[..., index] = 0
            return follow(pasts, heard)

        return dream

    return to


@pytest.fixture
def frozen():
    """A dream that repeats the last frame."""
    return lambda world, pasts, keys, **_: pasts.frames[:, -1:].expand(
        -1, keys.shape[1], -1, -1, -1
    )

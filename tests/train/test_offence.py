"""An update that is not finite is kept whole, so that it can be looked at and made again."""

import json

import pytest
import torch
from safetensors.torch import load_file
from test_training_loop import Interrupted, assert_same_run
from tiny import quick, tokenizer

from worldmodel.errors import UserError
from worldmodel.train.loop import train


class Poisoned(Interrupted):
    """Its second part of update 3 has a picture that is not finite."""

    def __init__(self, ill=True):
        super().__init__()
        self.ill, self.frames_per_step = ill, 2

    def batch(self, step):
        (pictures,) = super().batch(step)
        if self.ill and step == 7:
            pictures[0, 0, 0, 0] = torch.nan
        return (pictures,)


def start(run, ill=True, **changes):
    torch.manual_seed(0)
    config = quick(**{"steps": 6, "save_every": 2, "accumulate": 2, "log_every": 1} | changes)
    return train(tokenizer(), Poisoned(ill), config, run)


@pytest.fixture
def offence(tmp_path):
    """The folder that a run leaves which has met the ill picture."""
    with pytest.raises(UserError, match="the loss was not finite at step 3") as error:
        start(tmp_path / "run")
    folder = tmp_path / "run" / "offence-000003"
    assert f"--run {folder}" in str(error.value) and "\n" not in str(error.value)
    return folder


def test_batches_weights_and_seed_of_the_update_are_kept(offence, tmp_path):
    note = json.loads((offence / "offence.json").read_text())
    assert (note["step"], note["seed"], note["accumulate"]) == (3, 0, 2)
    assert note["values"]["loss"] == "nan" and note["batch_not_finite"] == [7]
    assert note["gradients_not_finite"] and note["weights_not_finite"] == []
    pictures = [load_file(offence / f"batch-{part:06d}.safetensors")["0"] for part in (6, 7)]
    assert pictures[0].isfinite().all() and pictures[1].isnan().sum() == 1
    start(tmp_path / "before", ill=False, steps=3, decay=1e-9)  # the rate has not begun to fall
    before = load_file(tmp_path / "before" / "state.safetensors")
    kept = load_file(offence / "state.safetensors")
    assert all(torch.equal(tensor, before[name]) for name, tensor in kept.items())


def test_the_offending_update_can_be_made_again(offence):
    files = sorted(path.name for path in offence.iterdir())
    with pytest.raises(UserError, match="the loss was not finite at step 3"):
        start(offence)
    left = sorted(path.name for path in offence.iterdir())
    assert set(left) - set(files) <= {"log.jsonl", "events.jsonl"}  # no offence in an offence


def test_mended_data_let_the_run_go_on_as_if_nothing_had_been(offence, tmp_path):
    start(tmp_path / "whole", ill=False)
    start(tmp_path / "run", ill=False)
    assert_same_run(tmp_path / "whole", tmp_path / "run")

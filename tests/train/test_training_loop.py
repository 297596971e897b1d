"""Stopping and resuming leave no seam; what goes wrong is said and costs nothing."""

import json
import signal

import pytest
import torch
from safetensors.torch import load_file
from tiny import quick, tokenizer

from worldmodel.errors import UserError
from worldmodel.train.loop import train
from worldmodel.train.objectives.reconstruction import Reconstruction


class Killed(Exception):
    """Stands for a process that is gone in the middle of an update."""


class Interrupted(Reconstruction):
    """Reconstruction of plain colours that does something at one update."""

    def __init__(self, at=None, what=lambda: None):
        colours = torch.randint(0, 256, (40, 1, 1, 3), dtype=torch.uint8)
        pictures = colours.expand(40, 16, 48, 3).contiguous().numpy()
        super().__init__(pictures[:32], pictures[32:], batch=4, seed=0)
        self.at, self.what = at, what

    def batch(self, step):
        if step == self.at:
            self.what()
        return super().batch(step)


def killed():
    raise Killed


def run_training(run, config, at=None, what=lambda: None):
    """Train the same tokenizer on the same pictures in a run folder."""
    torch.manual_seed(0)
    return train(tokenizer(), Interrupted(at, what), config, run)


def log_lines(run):
    """The log, without the speed, which is not a function of (seed, step)."""
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    clocks = {"frames_per_second", "seconds_left"}
    return [{k: v for k, v in line.items() if k not in clocks} for line in lines]


def assert_same_run(a, b):
    states = [load_file(run / "state.safetensors") for run in (a, b)]
    assert states[0].keys() == states[1].keys()
    for name, tensor in states[0].items():
        assert torch.equal(tensor, states[1][name]), name
    assert log_lines(a) == log_lines(b)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_goes_on_without_a_seam(tmp_path, capsys, number):
    config = quick(validate_every=3)
    run_training(tmp_path / "whole", config)
    run_training(tmp_path / "parts", config, at=3, what=lambda: signal.raise_signal(number))
    assert "stopped and saved at step 4" in capsys.readouterr().out
    run_training(tmp_path / "parts", config)
    assert_same_run(tmp_path / "whole", tmp_path / "parts")


def test_a_killed_run_goes_on_from_its_last_state(tmp_path):
    config = quick(save_every=2)
    run_training(tmp_path / "whole", config)
    with pytest.raises(Killed):
        run_training(tmp_path / "parts", config, at=5, what=killed)
    run_training(tmp_path / "parts", config)
    assert_same_run(tmp_path / "whole", tmp_path / "parts")


def test_the_log_has_every_step_once(tmp_path):
    config = quick(steps=8, log_every=1, save_every=3)
    for at in (5, 7):
        with pytest.raises(Killed):
            run_training(tmp_path, config, at=at, what=killed)
    run_training(tmp_path, config)
    assert [line["step"] for line in log_lines(tmp_path) if "loss" in line] == list(range(1, 9))


def test_a_finished_run_changes_nothing_more(tmp_path):
    first = run_training(tmp_path, quick())
    state, log = (tmp_path / "state.safetensors").read_bytes(), log_lines(tmp_path)
    again = run_training(tmp_path, quick())
    assert (tmp_path / "state.safetensors").read_bytes() == state and log_lines(tmp_path) == log
    for a, b in zip(first.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_loss_that_is_not_finite_stops_with_a_sentence(tmp_path):
    run_training(tmp_path, quick(steps=6, save_every=2), at=3, what=lambda: signal.raise_signal(2))
    good = (tmp_path / "state.safetensors").read_bytes()
    objective = Interrupted()
    objective.frames = objective.frames.astype("float32") * float("nan")
    with pytest.raises(UserError, match=r"not finite at step 4.*lower the learning rate") as error:
        train(tokenizer(), objective, quick(steps=6, save_every=1), tmp_path)
    assert "\n" not in str(error.value)
    assert (tmp_path / "state.safetensors").read_bytes() == good


class Exploding(Interrupted):
    """A finite loss whose gradient is infinite at update 4."""

    def loss(self, network, batch, step):
        loss, values = super().loss(network, batch, step)
        if step == 4:  # the root's slope at zero
            loss = loss + (network.decoder[0].bias.sum() * 0).abs().sqrt()
        return loss, values


def weights(network):
    return {name: p.detach().clone() for name, p in network.named_parameters()}


def test_a_gradient_that_is_not_finite_stops_before_the_weights_change(tmp_path):
    torch.manual_seed(0)
    network, published, state = tokenizer(), [], tmp_path / "state.safetensors"
    config = quick(save_every=2)
    with pytest.raises(UserError, match="gradient was not finite at step 4") as error:
        train(network, Exploding(), config, tmp_path, lambda _: published.append(weights(network)))
    assert f"the last good state is in {state}" in str(error.value)
    assert "\n" not in str(error.value)
    assert all(torch.equal(p, published[-1][name]) for name, p in network.named_parameters())
    saved = load_file(state)
    assert all(tensor.isfinite().all() for tensor in saved.values())


def test_without_a_saved_state_none_is_promised(tmp_path):
    with pytest.raises(UserError, match=r"at step 4; no state was saved: lower .* and start again"):
        train(tokenizer(), Exploding(), quick(), tmp_path)
    assert not (tmp_path / "state.safetensors").exists()


def test_every_saved_state_is_published(tmp_path):
    published = []
    train(tokenizer(), Interrupted(), quick(save_every=2), tmp_path, published.append)
    assert len(published) == 3
    assert all(not p.requires_grad for p in published[0].parameters())


def test_pictures_and_figures_are_made_on_the_way(tmp_path):
    run_training(tmp_path, quick(picture_every=4, validate_every=4))
    assert sorted(path.name for path in tmp_path.glob("*.png")) == [
        "step-000004.png",
        "step-000006.png",
    ]
    held_out = [line for line in log_lines(tmp_path) if "heldout" in line]
    assert [line["step"] for line in held_out] == [4, 6]
    assert held_out[0]["heldout"].keys() == {"psnr"}


def test_the_loss_falls(tmp_path):
    run_training(tmp_path, quick(steps=40, batch=8, learning_rate=1e-2, log_every=10))
    losses = [line["loss"] for line in log_lines(tmp_path) if "loss" in line]
    assert losses[-1] < 0.7 * losses[0]


def test_the_average_lags_behind_the_weights(tmp_path):
    average = run_training(tmp_path, quick(ema=0.5))
    state = load_file(tmp_path / "state.safetensors")
    assert torch.equal(state["average.decoder.0.weight"], average.decoder[0].weight)
    assert not torch.equal(state["network.decoder.0.weight"], average.decoder[0].weight)

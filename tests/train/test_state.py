"""A run's state: whole or not at all, and everything that an update needs."""

import copy
import json
import os
import threading

import pytest
import torch
from tiny import quick, tokenizer, world

from worldmodel.errors import UserError
from worldmodel.train.log import RunLog
from worldmodel.train.optimiser import make_optimisers
from worldmodel.train.state import load_state, save_state, state_note


def updates(network, optimisers, count):
    """`count` updates by gradients that depend on the weights."""
    for _ in range(count):
        for p in network.parameters():
            p.grad = torch.sin(3 * p.detach()) + 0.1
        for optimiser in optimisers:
            optimiser.step()


@pytest.mark.parametrize("muon", [False, True])
def test_a_restored_run_goes_on_as_if_nothing_had_happened(tmp_path, muon):
    network, config = world(), quick(muon=muon)
    optimisers, average = make_optimisers(network, config), copy.deepcopy(network)
    updates(network, optimisers, 3)
    save_state(tmp_path / "state.safetensors", 3, network, average, optimisers)
    other, its_average = world(), world()
    its_optimisers = make_optimisers(other, config)
    assert load_state(tmp_path / "state.safetensors", other, its_average, its_optimisers) == 3
    updates(network, optimisers, 2)
    updates(other, its_optimisers, 2)
    for (name, a), b in zip(network.state_dict().items(), other.state_dict().values(), strict=True):
        assert torch.equal(a, b), name
    for a, b in zip(average.parameters(), its_average.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.fixture
def saved(tmp_path):
    """A state at step 3 and what is needed to save the next one."""
    network = tokenizer()
    parts = network, copy.deepcopy(network), make_optimisers(network, quick())
    path = tmp_path / "state.safetensors"
    save_state(path, 3, *parts)
    return path, parts


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_save_that_fails_leaves_the_last_state_intact(saved, monkeypatch, call):
    path, parts = saved
    before = path.read_bytes()

    def full(*arguments):
        raise OSError(28, "No space left on device")

    owner = os if call == "fsync" else type(path)
    with monkeypatch.context() as patch:
        patch.setattr(owner, call, full)
        with pytest.raises(UserError, match=r"No space left on device.*state before it is intact"):
            save_state(path, 4, *parts)
    assert path.read_bytes() == before
    assert load_state(path, *parts) == 3
    assert [file.name for file in path.parent.iterdir()] == ["state.safetensors"]


def test_what_a_killed_save_left_behind_does_no_harm(saved):
    path, parts = saved
    path.with_suffix(".partial").write_bytes(b"half a state")
    assert load_state(path, *parts) == 3
    save_state(path, 4, *parts)
    assert load_state(path, *parts) == 4


def test_a_state_is_opened_once_to_be_read(saved, tmp_path):
    """Opened twice, it could be replaced in between. A pipe can be read only once."""
    state, pipe = saved[0].read_bytes(), tmp_path / "pipe"
    header = state[: 8 + int.from_bytes(state[:8], "little")]
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=[header], daemon=True)
    writer.start()
    assert state_note(pipe) == {"step": 3, "meter": {}}
    writer.join()


def test_a_damaged_state_is_refused_in_a_sentence(saved):
    path, parts = saved
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match="no training state for this configuration") as error:
        load_state(path, *parts)
    assert "\n" not in str(error.value)


def test_the_state_of_other_sizes_is_refused_in_a_sentence(saved):
    path, _ = saved
    network = world()
    with pytest.raises(UserError, match="choose another run folder") as error:
        load_state(path, network, copy.deepcopy(network), make_optimisers(network, quick()))
    assert "\n" not in str(error.value)


def test_the_log_forgets_what_came_after_the_state(tmp_path):
    path = tmp_path / "log.jsonl"
    first = RunLog(path, resumed_at=0)
    for step in (1, 2, 3, 4):
        first.write({"step": step, "run": "first"})
    with path.open("a") as file:
        file.write('{"step": 5, "ru')  # killed while writing
    second = RunLog(path, resumed_at=2)
    for step in (3, 4, 5):
        second.write({"step": step, "run": "second"})
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 5]
    assert [line["run"] for line in lines] == ["first"] * 2 + ["second"] * 3

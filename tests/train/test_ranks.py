"""Many processes train what one would have trained: the sums differ in their order, no more."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file
from tiny import TOKENIZER, quick
from together import start_ranks, train_one

from worldmodel.train.shards import read_shards, shard_sizes
from worldmodel.train.stages import train_tokenizer

STEPS = 4
PARTS = {
    "steps": STEPS,
    "batch": 8,
    "accumulate": 4,
    "bf16": False,
    "learning_rate": 1e-3,
    "log_every": 1,
}
ROUGH = {"bf16": True, "muon": True}  # both round to eight bits
HALF = 2  # updates after which a run is told to stop
NEAR = {"rtol": 0, "atol": 2e-5}


@pytest.fixture(scope="module")
def start(arrays, tmp_path_factory):
    """A function that names a job: start(name, **changes of the configuration)."""
    root = tmp_path_factory.mktemp("ranks")
    train_tokenizer(arrays, root / "tokens", TOKENIZER, quick(steps=2))

    def job(name, stop_at=None, **changes):
        places = {"data": str(arrays), "tokens": str(root / "tokens"), "run": str(root / name)}
        return places | {"config": PARTS | changes, "stop_at": stop_at}

    job.root = root
    return job


@pytest.fixture(scope="module")
def alone(start):
    """The run of one process."""
    train_one(**start("alone"))
    return start.root / "alone"


@pytest.fixture(scope="module")
def two(start):
    """What two ranks do: a copy of the weights each, the weights in halves, and a stopped run."""
    jobs = [
        start("copies"),
        start("halves", shard=True, recompute=True, save_every=3),
        start("stopped", shard=True, stop_at=HALF - 1),
        start("rough", shard=True, **ROUGH),
    ]
    return start_ranks(2, jobs)


@pytest.fixture(scope="module")
def three(start, two):
    """What three ranks do: four parts do not divide by three; shards of two become three."""
    (stopped,) = (start.root / "stopped").glob("state-*")
    for name in ("thirds", "merged"):
        (start.root / name).mkdir()
        shutil.copytree(stopped, start.root / name / stopped.name)
        shutil.copy(start.root / "stopped" / "log.jsonl", start.root / name)
    return start_ranks(3, [start("uneven"), start("thirds", shard=True)])


def weights(run):
    """The whole weights, averages and moments of a finished run."""
    if (run / "state.safetensors").exists():
        return load_file(run / "state.safetensors")
    (folder,) = run.glob("state-*")
    targets = {name: torch.zeros(size) for name, size in shard_sizes(folder).items()}
    read_shards(folder, targets)
    return targets


def figures(run):
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return [line["loss"] for line in lines if "loss" in line]


def assert_same_training(a, b):
    found = weights(b)
    assert len(figures(b)) == STEPS
    assert figures(a) == pytest.approx(figures(b), rel=1e-5)
    assert weights(a).keys() == found.keys()
    for name, tensor in weights(a).items():
        torch.testing.assert_close(found[name], tensor, **NEAR, msg=name)


def test_ranks_with_copies_train_as_one_process(start, alone, two):
    assert_same_training(alone, start.root / "copies")


def test_ranks_that_share_the_weights_train_as_one_process(start, alone, two):
    assert_same_training(alone, start.root / "halves")
    (folder,) = (start.root / "halves").glob("state-*")
    assert folder.name == f"state-{STEPS:06d}"  # the one before has been deleted
    shards = sorted(folder.glob("*.safetensors"))
    whole = sum(t.nbytes for t in weights(start.root / "halves").values())
    assert len(shards) == 2 and max(s.stat().st_size for s in shards) < 0.7 * whole


def test_bfloat16_and_muon_on_shards_stay_near_one_process(start, two):
    train_one(**start("rough-alone", **ROUGH))
    assert figures(start.root / "rough") == pytest.approx(
        figures(start.root / "rough-alone"), rel=2e-3
    )
    moments = [name for name in weights(start.root / "rough") if "momentum_buffer" in name]
    assert len(moments) == 12  # four matrices in each of three blocks


def test_parts_that_do_not_divide_by_the_ranks_are_all_computed(start, alone, three):
    assert_same_training(alone, start.root / "uneven")


def test_a_stop_that_one_rank_hears_of_stops_all(start, two):
    assert f"stopped and saved at step {HALF}" in two[0]
    (state,) = (start.root / "stopped").glob("state-*")
    assert json.loads((state / "note.json").read_text())["step"] == HALF


def test_shards_of_two_ranks_are_read_by_three(start, alone, three):
    assert f"goes on from step {HALF} on 3 ranks" in three[0]
    assert_same_training(alone, start.root / "thirds")


def test_shards_are_read_by_one_process(start, alone, three):
    train_one(**start("merged"))
    assert_same_training(alone, start.root / "merged")
    assert not list((start.root / "merged").glob("state-*"))  # one file has taken their place


def test_only_the_first_rank_writes_and_speaks(start, two):
    assert f"step {STEPS:6d}/{STEPS}" in two[0] and "step " not in two[1]
    for run in ("copies", "halves"):
        assert (start.root / run / "checkpoint" / "world.safetensors").is_file()


def test_the_checkpoints_of_copies_and_shards_are_those_of_one_process(start, alone, two):
    expected = load_file(alone / "checkpoint" / "world.safetensors")
    for run in ("copies", "halves"):
        for name, tensor in load_file(start.root / run / "checkpoint/world.safetensors").items():
            torch.testing.assert_close(tensor, expected[name], **NEAR, msg=name)

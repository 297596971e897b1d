"""The bench of training: its parts are the whole, its operations those that PyTorch counts."""

import tempfile
from pathlib import Path

import pytest

from worldmodel.errors import UserError
from worldmodel.evaluate.bench import train
from worldmodel.evaluate.bench.made_up import made_up_stage
from worldmodel.evaluate.bench.train import Watch, bench_train, flops_counted, sample_train, timed


@pytest.fixture(params=["world", "motion", "tokenizer"])
def made(request, tmp_path):
    return made_up_stage("nano", request.param, tmp_path, {"batch": 1})


def test_the_formula_and_the_counter_agree(made):
    """A first layer has no gradient to hand down, which the formula ignores; attention recomputes
    its scores, which the formula ignores too."""
    assert 3 * made.forward_flops == pytest.approx(flops_counted(made), rel=0.15)


def test_an_update_is_the_sum_of_its_parts(made):
    updates, later = timed(made, 2, warm=1)
    assert len(updates) == 2 and len(later) == (2 if made.own else 0)
    parts = {"data", "forward", "backward", "optimiser", "average"}
    assert all(set(update) == parts and min(update.values()) > 0 for update in updates)
    assert "batch" not in vars(made.objective)  # as it was


def test_two_optimisers_are_one_part(monkeypatch):
    clock = iter(range(100))
    monkeypatch.setattr(train.time, "perf_counter", lambda: next(clock))
    watch = Watch([])
    watch.begin()
    watch.lap("data")
    watch.lap("forward")
    for _ in range(2):
        watch.before_optimiser()
        watch.after_optimiser()
    watch.begin()
    assert watch.updates[0] == {
        "data": 1, "forward": 1, "backward": 1, "optimiser": 2, "average": 1,
    }  # fmt: skip


def test_the_report_hangs_together(monkeypatch, capsys):
    monkeypatch.setattr(train, "matrix_rates", lambda: {"float32": 10.0, "bfloat16": 20.0})
    monkeypatch.setattr(train, "WARM", 1)
    report = bench_train(preset="nano", updates=2, batch=1)
    whole, rate = report["milliseconds"]["update"]["p50"], report["frames_per_second"]["p50"]
    assert report["frames_per_update"] == 12
    work = report["gflop_per_update"]["formula"]
    assert report["fraction_of_matrix_rate"] == pytest.approx(1000 * work / whole / 20)
    assert rate == pytest.approx(12_000 / whole, rel=0.2) and report["type"] == "bfloat16"
    assert report["own_past"]["frames_per_second"]["p50"] > 0
    assert capsys.readouterr().out == ""  # the loop's lines go elsewhere: JSON stays one line


def test_a_sample_leaves_nothing_behind(monkeypatch):
    before = set(Path(tempfile.gettempdir()).glob("worldmodel-bench-*"))
    sample = sample_train(preset="nano", stage="motion", batch=1)
    assert sample() > 0
    assert set(Path(tempfile.gettempdir()).glob("worldmodel-bench-*")) == before


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"preset": "huge"}, "unknown preset 'huge'"),
        ({"stage": "moon"}, "unknown stage 'moon'; choose one of world, motion, tokenizer"),
        ({"updates": 1}, "updates must be at least 2"),
    ],
)
def test_what_cannot_be_measured_is_a_sentence(given, sentence):
    with pytest.raises(UserError, match=sentence):
        bench_train(**given)

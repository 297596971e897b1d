"""The bench: its figures hang together, on a tiny world."""

import json

import pytest
import tiny
from play.playing import save_world

from worldmodel.errors import UserError
from worldmodel.evaluate import speed
from worldmodel.evaluate.flops import frame_flops
from worldmodel.evaluate.speed import (
    bench_play,
    flops_by_formula,
    flops_counted,
    peak_memory,
    percentiles,
    print_play,
)
from worldmodel.play.engine import load_engine
from worldmodel.play.scene import blank


@pytest.fixture(scope="module", params=["still", "moving"])
def folder(request, tmp_path_factory):
    where = tmp_path_factory.mktemp("bench") / "tiny"
    return save_world(where, moving=request.param == "moving")


def test_the_formula_and_the_counter_agree(folder):
    engine = load_engine(folder, speed="plain")
    counted = flops_counted(engine, blank(engine.size, engine.controls.size))
    assert sum(flops_by_formula(engine).values()) == pytest.approx(counted, rel=0.01)


def test_twice_the_steps_are_twice_the_looks():
    one, two = (frame_flops(tiny.TOKENIZER, tiny.WORLD, None, steps) for steps in (1, 2))
    assert two["looks"] == 2 * one["looks"] and two["commit"] == one["commit"]


def test_the_report_is_whole_and_prints(folder, monkeypatch, capsys):
    monkeypatch.setattr(speed, "matrix_rate", lambda *args: 100.0)
    monkeypatch.setattr(speed, "WARM", 2)
    monkeypatch.setattr(speed, "ROLLOUT", 4)
    report = bench_play(folder, frames=4, steps=1, speed="openvino")
    stages = set(report["milliseconds"])
    assert {"frame", "looks", "commit", "decode", "jpeg", "model"} <= stages
    assert report["speed"] == "openvino" and report["settings"]["steps"] == 1
    assert report["against_plain"]["grey_levels_max"] <= 1
    print_play(report, as_json=True)
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(report))
    print_play(report)
    assert "frames/s (openvino" in capsys.readouterr().out


def test_late_frames_need_no_more_memory_than_early_ones(folder):
    """Truly played, past many turns of the ring."""
    engine = load_engine(folder, speed="plain")
    engine.reset(blank(engine.size, engine.controls.size), seed=0)

    def room():
        return sum(value.untyped_storage().nbytes() for value in vars(engine.cache.memory).values())

    for _ in range(20):
        engine.step(engine.controls.vector())
    early = room()
    for _ in range(80):
        engine.step(engine.controls.vector())
    assert room() == early and engine.frame_index == 100


def test_percentiles_are_milliseconds():
    assert percentiles([0.001 * i for i in range(101)]) == pytest.approx({"p50": 50, "p95": 95})


def test_memory_is_in_megabytes():
    assert 10 < peak_memory() < 1e6


def test_a_missing_world_is_a_sentence(tmp_path):
    with pytest.raises(UserError, match=r"config\.json is missing"):
        bench_play(tmp_path)

"""The bench: its figures hang together, on a tiny world."""

import json
from dataclasses import replace

import pytest
import tiny
import torch
from play.playing import save_world
from torch.utils.flop_counter import FlopCounterMode

from worldmodel.errors import UserError
from worldmodel.evaluate import flops
from worldmodel.evaluate.bench import play
from worldmodel.evaluate.bench.machine import milliseconds, peak_memory, rate
from worldmodel.evaluate.bench.play import (
    bench_play,
    flops_by_formula,
    flops_counted,
    sample_play,
)
from worldmodel.evaluate.bench.report import print_report
from worldmodel.evaluate.flops import frame_flops
from worldmodel.model.tokenizer import Tokenizer
from worldmodel.play.engine import load_engine
from worldmodel.play.scene import blank

RATES = {"float32": 100.0, "bfloat16": 200.0}


@pytest.fixture(scope="module", params=["still", "moving"])
def folder(request, tmp_path_factory):
    where = tmp_path_factory.mktemp("bench") / "tiny"
    return save_world(where, moving=request.param == "moving")


@pytest.mark.parametrize("finishing_look", [True, False])
def test_the_formula_and_the_counter_agree(folder, finishing_look):
    engine = load_engine(folder, speed="plain")
    engine.settings = replace(engine.settings, finishing_look=finishing_look)
    counted = flops_counted(engine, blank(engine.size, engine.controls.size))
    assert sum(flops_by_formula(engine).values()) == pytest.approx(counted, rel=0.01)


def test_the_formula_counts_the_operations_of_separable_blocks():
    sizes = replace(tiny.TOKENIZER, separable=3)
    network, frame = Tokenizer(sizes), torch.rand(1, 3, sizes.height, sizes.width)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(frame, torch.zeros(1))
    assert counter.get_total_flops() == flops.encoder(sizes) + flops.decoder(sizes)


def test_twice_the_steps_are_twice_the_looks():
    one, two = (frame_flops(tiny.TOKENIZER, tiny.WORLD, None, steps) for steps in (1, 2))
    assert two["looks"] == 2 * one["looks"] and two["commit"] == one["commit"]


def test_the_report_is_whole_and_prints(folder, monkeypatch, capsys):
    monkeypatch.setattr(play, "matrix_rates", lambda *args: RATES)
    monkeypatch.setattr(play, "WARM", 2)
    monkeypatch.setattr(play, "ROLLOUT", 4)
    report = bench_play(folder, frames=4, steps=1, speed="openvino", players=(1, 3))
    stages = set(report["milliseconds"])
    assert {"frame", "looks", "commit", "decode", "jpeg", "model"} <= stages
    assert report["speed"] == "openvino" and report["settings"]["steps"] == 1
    assert report["against_plain"]["grey_levels_max"] <= 1
    one, three = report["players"]
    steps = 1000 * three["players"] / three["ms"]["p50"]
    assert (one["players"], three["frames_per_second"]["p50"]) == (1, pytest.approx(steps))
    print_report(report, as_json=True)
    out = capsys.readouterr().out
    assert json.loads(out) == json.loads(json.dumps(report)) and out.count("\n") == 1
    print_report(report)
    shown = capsys.readouterr().out
    assert "milliseconds frame" in shown and "players: players 3, frames per second" in shown


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


def test_durations_and_rates_as_medians_with_spread():
    seconds = [0.001 * i for i in range(1, 102)]
    assert milliseconds(seconds) == pytest.approx({"p50": 51, "p5": 6, "p95": 96})
    assert rate(seconds, 2)["p50"] == pytest.approx(2 / 0.051)


def test_a_sample_is_the_time_of_one_player(folder, monkeypatch):
    monkeypatch.setattr(play, "WARM", 1)
    seconds = iter(range(100))
    monkeypatch.setattr(play.time, "perf_counter", lambda: float(next(seconds)))
    engine = play.opened(folder, None, "cpu", "plain")
    crowd = [engine.fork() for _ in range(2)]
    for player in crowd:
        player.reset(blank(engine.size, engine.controls.size), seed=0)
    assert play.step_crowd(crowd, 0) >= 1
    monkeypatch.undo()
    assert sample_play(folder, players=2, speed="plain")() > 0


def test_memory_is_in_megabytes():
    assert 10 < peak_memory() < 1e6


def test_a_missing_world_is_a_sentence(tmp_path):
    with pytest.raises(UserError, match=r"config\.json is missing"):
        bench_play(tmp_path)

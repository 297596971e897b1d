"""The bench of the server: real sockets, a real process of players, no model."""

import pytest
from play.playing import save_world

from worldmodel.evaluate.bench import serve
from worldmodel.evaluate.bench.serve import bench_serve
from worldmodel.evaluate.bench.stub import StubBackend


@pytest.fixture
def folder(tmp_path):
    return save_world(tmp_path / "tiny")


def test_players_get_the_frames_they_ask_for(folder, monkeypatch):
    monkeypatch.setattr(serve, "WARM", 0.2)
    report = bench_serve(folder, players=(2,), seconds=2.0, stub=True, fps=10.0)
    (row,) = report["serve"]
    assert (row["players"], report["wanted_frames_per_second"]) == (2, 10.0)
    assert 0 < row["frames_per_second"] <= 25
    assert row["key_to_frame_ms"]["p50"] > 0 and row["bytes_a_frame"] > 28
    rate = row["bytes_a_frame"] * 8e-3 * row["frames_per_second"] / 2
    assert row["kbit_per_second_of_a_player"] == pytest.approx(rate)


def test_the_stub_repeats_the_scenes_of_the_world(folder):
    engine = StubBackend(fps=33).load(folder, print)
    scene = engine.scenes[0]
    player = engine.fork()
    assert (player.reset(scene, 1) == scene.frames[-1]).all() and player.fps == 33
    moment = player.snapshot()
    first = StubBackend().step_together([player], [engine.controls.vector()])[0]
    assert (first == scene.frames[1]).all() and engine.frame_index == 0
    player.restore(moment)
    assert (player.step(engine.controls.vector()) == first).all()

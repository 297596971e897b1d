"""Watching a run: its figures, the lines that another process reads, and the dashboard."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from PIL import Image
from tiny import TOKENIZER, WORLD, quick, world
from together import train_one

from worldmodel.data.clips import FrameStore
from worldmodel.errors import UserError
from worldmodel.train.dashboard import Dashboard
from worldmodel.train.following import Tail, follow, told
from worldmodel.train.objectives.rectified_flow import FlowConfig
from worldmodel.train.stages import latent_clips, open_tokenizer, train_tokenizer
from worldmodel.train.watched import FUTURE, LEVELS, WorldWatch, _Path


@pytest.fixture(scope="module")
def run(arrays, tmp_path_factory):
    """The folder of a world's run of four updates, judged twice."""
    root = tmp_path_factory.mktemp("watched")
    train_tokenizer(arrays, root / "tokens", TOKENIZER, quick(steps=2))
    config = {"steps": 4, "accumulate": 1, "validate_every": 2, "picture_every": 4, "log_every": 1}
    train_one(arrays, root / "tokens", root / "run", config)
    return root / "run"


def records(run):
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def test_the_log_has_what_a_world_is_watched_by(run):
    watched = [r for r in records(run) if "watched" in r]
    assert [r["step"] for r in watched] == [2, 4]
    names = {f"loss_at_{level:g}" for level in LEVELS} | {"gap_of_steps", "bend_of_path"}
    assert watched[0]["watched"].keys() == names
    assert all(np.isfinite(list(r["watched"].values())).all() for r in watched)
    heldout = next(r["heldout"] for r in records(run) if "heldout" in r)
    assert {"shuffled_ratio", "over_repeat"} <= heldout.keys()


def test_the_film_shows_the_truth_above_the_dream(run):
    with Image.open(run / "rollout-000004.gif") as film:
        assert film.n_frames <= FUTURE  # a GIF joins equal frames
        assert film.size == (3 * TOKENIZER.width, 2 * TOKENIZER.height)


class Straight(torch.nn.Module):
    """Any denoiser that always foresees the same end has straight paths."""

    end = torch.ones(2, 3, 4)

    def forward(self, z, tau, jump):
        return self.end


def test_a_straight_path_has_no_bend_and_a_bent_one_has():
    times, noise = tuple(i / 8 for i in range(9)), torch.randn(2, 3, 4)
    path = _Path()
    torch.testing.assert_close(path(Straight(), noise, times, None), Straight.end)
    assert path.bend == pytest.approx(0, abs=1e-9)
    path(lambda z, tau, jump: Straight.end * (1 if tau < 0.5 else -1), noise, times, None)
    assert path.bend > 0.1


def test_a_network_that_knows_the_answer_loses_nothing_at_any_level(arrays, run):
    tokens = open_tokenizer(run.parent / "tokens")
    heldout = latent_clips(FrameStore(arrays / "heldout"), tokens, None, quick(bf16=False))
    watch = WorldWatch(heldout, tokens, FlowConfig(clip=6))
    clean = watch.clean[:, :6]
    losses = watch.losses(lambda *shown: clean)
    assert set(losses.values()) == {0.0}
    sizes = dataclasses.replace(WORLD, grid=TOKENIZER.grid, controls=heldout.store.space.size)
    with torch.no_grad():
        losses = watch.losses(world(sizes))
    assert losses["loss_at_0.9"] < losses["loss_at_0"]  # less noise, less to guess


def test_following_tells_how_a_finished_run_ended(run):
    lines = list(follow(run))
    assert lines[0].endswith("finished at step 4") and lines[-1] == lines[0]
    text = "\n".join(lines)
    for word in ("step      4/4  loss", "heldout  next_psnr", "watched  loss_at_0 ", "left"):
        assert word in text, word


def test_following_sees_that_a_process_is_gone(tmp_path):
    import socket

    (tmp_path / "log.jsonl").write_text('{"step": 1, "loss": 2.0, "frames_per_second": 3.0}\n')
    event = {"event": "began", "step": 0, "time": 0, "ranks": 2, "restart": 0}
    event |= {"machine": socket.gethostname(), "process": 2**22 + 1}
    (tmp_path / "events.jsonl").write_text(json.dumps(event) + "\n")
    lines = list(follow(tmp_path))
    assert "on 2 ranks" in lines[0] and "is gone" in lines[-1]
    assert told(event | {"restart": 1}).endswith("began at step 0 on 2 ranks, restart 1")


def test_what_is_no_run_is_refused_in_a_sentence(tmp_path):
    with pytest.raises(UserError, match=r"holds no run \(log.jsonl is missing\)"):
        list(follow(tmp_path))


def test_a_tail_reads_each_line_once_and_begins_again_after_a_resume(tmp_path):
    path = tmp_path / "log.jsonl"
    tail = Tail(path)
    assert tail.new() == []
    path.write_text('{"step": 1}\n{"step": 2}\n{"st')
    assert tail.new() == [{"step": 1}, {"step": 2}] and tail.new() == []
    path.write_text('{"step": 1}\n{"step": 2, "loss": 1}\n')
    assert [line["step"] for line in tail.new()] == [1, 2] and tail.start_again


@pytest.fixture
def shown():
    """A function that reads what TensorBoard would show of a run."""
    loading = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")

    def load(run):
        found = loading.EventAccumulator(str(run / "dashboard"), size_guidance={"images": 0})
        return found.Reload()

    return load


@pytest.mark.filterwarnings("ignore")  # TensorBoard's own
def test_the_dashboard_shows_the_log_the_pictures_and_the_films(run, shown):
    dashboard = Dashboard(run)
    dashboard.update()
    dashboard.update()  # nothing is shown twice
    dashboard.close()
    found = shown(run)
    losses = [(e.step, e.value) for e in found.Scalars("train/loss")]
    assert losses == [(r["step"], pytest.approx(r["loss"])) for r in records(run) if "loss" in r]
    for name in (
        "heldout/psnr_over_repeating_last_frame",
        "heldout/shuffled_action_loss_ratio",
        "loss_by_noise_level/loss_at_0.5",
        "watched/psnr_many_steps_over_few",
        "watched/bend_of_sampling_path",
    ):
        assert [e.step for e in found.Scalars(name)] == [2, 4], name
    (first, last) = found.Images("rollouts")
    assert last.encoded_image_string == (run / "rollout-000004.gif").read_bytes()
    assert first.step == 2 and [e.step for e in found.Images("pictures")] == [4]


@pytest.mark.filterwarnings("ignore")
def test_the_dashboard_of_a_resumed_run_forgets_what_is_repeated(tmp_path, shown):
    line = '{{"step": {0}, "loss": {1}, "frames_per_second": 1.0}}\n'
    log = tmp_path / "log.jsonl"
    log.write_text(line.format(1, 0.5) + line.format(2, 9.0))
    dashboard = Dashboard(tmp_path)
    dashboard.update()
    log.write_text(line.format(1, 0.5) + line.format(2, 0.25))
    dashboard.update()
    dashboard.close()
    assert [e.value for e in shown(tmp_path).Scalars("train/loss")] == [0.5, 0.25]

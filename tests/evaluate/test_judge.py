"""`worldmodel evaluate` from a checkpoint and a recording to a page, on the tiniest world."""

import json
import math
import re
import shutil
from html import escape

import numpy as np
import pytest
import torch
from judged import MeanColours, write_store
from play.playing import save_world

from worldmodel.errors import UserError
from worldmodel.evaluate import drift, journeys, judge, recovery
from worldmodel.evaluate.clips import draw_clips
from worldmodel.evaluate.dreams import Dreamer, after_real, own_output, setting_of
from worldmodel.evaluate.journeys import Plan, begin, random_keys, recorded_runs
from worldmodel.evaluate.straightness import bend
from worldmodel.evaluate.sweep import guided_looks, trials
from worldmodel.play.engine import load_engine
from worldmodel.play.world import load_world


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_world(tmp_path_factory.mktemp("judged") / "tiny", moving=True)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    where = tmp_path_factory.mktemp("judged") / "arrays"
    write_store(where / "heldout")
    return where


@pytest.fixture(scope="module")
def small():
    """Stretches and horizons short enough for a test, and features that need no weights."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(judge, "Features", MeanColours)
        patch.setattr(drift, "AHEAD", 12)
        patch.setattr(drift, "FAR", 2)
        patch.setattr(drift, "STRETCHES", (0,))
        patch.setattr(drift, "STRETCH", 8)
        patch.setattr(journeys, "STRETCH", 8)
        patch.setattr(recovery, "ANCHORS", (0, 1))
        patch.setattr(recovery, "HORIZON", 2)
        yield


@pytest.fixture(scope="module")
def record(folder, data, small, tmp_path_factory):
    """A whole report, with the world itself as the yardstick."""
    out = tmp_path_factory.mktemp("report")
    found = judge.evaluate(
        folder, data, out=out, clips=4, horizon=20, speed="plain", drift_starts=3, drift_frames=20,
        regression=folder,
    )  # fmt: skip
    assert json.loads((out / "report.json").read_text()) == json.loads(json.dumps(found))
    return found, (out / "report.html").read_text()


def test_every_figure_says_what_it_rests_on(record):
    found, page = record
    assert [section["title"] for section in found["sections"]] == [
        "Fidelity against horizon", "Drift",
    ]  # fmt: skip
    for section in found["sections"]:
        for name, figure in section["figures"].items():
            assert escape(name) in page
            assert figure["clips"] >= 2 and figure["frames"] >= figure["clips"], name
            assert 1 <= figure["seeds"] <= 3, name
            if None not in (figure["low"], figure["high"]):
                assert figure["low"] <= figure["high"], name


def test_the_page_is_one_file_with_its_plots_and_pictures(record):
    _, page = record
    assert page.count("<svg") >= 6 and page.count("data:image/webp") >= 5
    assert not re.search(r'(src|href)="(?!data:|#)', page)
    assert "is missing, so nobody can check" in page


def test_a_yardstick_that_is_the_world_itself_differs_by_noise_alone(record):
    figures = record[0]["sections"][0]["figures"]
    names = [f"next frame{who}, PSNR" for who in (" after real frames", ", regression")]
    assert all(figures[name]["unit"] == "dB" for name in names)
    assert figures["next frame, tokenizer alone, PSNR"]["frames"] == 20


def test_the_yardstick_of_the_worlds_folder_is_taken_without_being_named(
    data, small, tmp_path, monkeypatch
):
    def told(path, world):
        raise UserError(f"asked for {path.name}")

    monkeypatch.setattr(judge, "load_yardstick", told)
    folder = save_world(tmp_path / "tiny", moving=True)
    (folder / "regression.safetensors").touch()
    with pytest.raises(UserError, match=r"asked for regression\.safetensors"):
        judge.evaluate(folder, data, clips=2, speed="plain")
    with pytest.raises(UserError, match=r"asked for elsewhere"):
        judge.evaluate(folder, data, clips=2, speed="plain", regression=tmp_path / "elsewhere")


def test_one_section_and_no_other(folder, data, small, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("worldmodel.evaluate.sweep.STEPS", (1, 2))
    monkeypatch.setattr("worldmodel.evaluate.sweep.FRAMES", 2)
    found = judge.evaluate(folder, data, only="sweep", clips=2, speed="plain")
    (section,) = found["sections"]
    assert "path straightness (0 is straight)" in section["figures"]
    assert (tmp_path / "runs" / "report-tiny-sweep" / "report.html").is_file()
    with pytest.raises(UserError, match="no section 'speed'"):
        judge.evaluate(folder, data, only="speed")


def test_one_chooses_on_training_episodes_and_the_report_says_so(
    folder, small, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    store = write_store(tmp_path / "arrays" / "train")
    source = {"game": store.game, "seeds": [span.seed for span in store.episodes]}
    trained = shutil.copytree(folder, tmp_path / "world")
    (trained / "data.json").write_text(json.dumps({"sources": [source]}))
    asked = {"only": "drift", "clips": 2, "drift_starts": 2, "drift_frames": 20, "speed": "plain"}
    found = judge.evaluate(trained, tmp_path / "arrays", split="train", **asked)
    place = tmp_path / "runs" / "report-world-drift-train" / "report.html"
    assert "for choosing between worlds, not for telling" in place.read_text()
    assert found["data"].endswith("train")
    with pytest.raises(UserError, match="no split 'test'"):
        judge.evaluate(trained, tmp_path / "arrays", split="test", **asked)


@pytest.mark.parametrize(
    ("source", "refused"),
    [
        ({"game": "none", "seeds": [1, 12]}, "1 of 3 episodes"),
        ({"game": "other", "seeds": [12]}, None),
        ({"game": "none", "seeds": [1, 2]}, None),
        ({"game": "other", "seeds": [], "episodes": "the same"}, "all episodes"),
    ],
    ids=["seed", "another game", "other seeds", "hash"],
)
def test_what_was_trained_on_is_refused(source, refused, data, tmp_path):
    from worldmodel.data.clips import FrameStore
    from worldmodel.evaluate import seen

    store = FrameStore(data / "heldout")
    source = {name: seen._hash(store) if value == "the same" else value
              for name, value in source.items()}  # fmt: skip
    (tmp_path / "data.json").write_text(json.dumps({"sources": [source]}))
    if refused is None:
        assert seen.require_unseen(tmp_path, store) == []
        return
    with pytest.raises(UserError, match=refused):
        seen.require_unseen(tmp_path, store)


def test_a_split_that_shares_a_seed_is_refused(tmp_path):
    from worldmodel.evaluate.seen import require_split

    held = write_store(tmp_path / "heldout")
    require_split(tmp_path, held)
    write_store(tmp_path / "train", seeds=(1, 2, 13))
    with pytest.raises(UserError, match="shares 1 seeds"):
        require_split(tmp_path, held)


def test_other_data_and_small_budgets_are_a_sentence(folder, data, small):
    with pytest.raises(UserError, match="clips must be at least 2"):
        judge.evaluate(folder, data, clips=1)
    with pytest.raises(UserError, match="the longest has 150"):
        judge.evaluate(folder, data, horizon=147, speed="plain")
    with pytest.raises(UserError, match="return_lpips"):
        judge.evaluate(folder, data, lpips=folder / "config.json")


@torch.inference_mode()
def test_a_dream_is_the_engines(folder, data):
    """The same frames by two roads: the engine that plays, and the dreamer that is judged."""
    from worldmodel.data.clips import FrameStore
    from worldmodel.play.scene import Scene

    engine, store = load_engine(folder, speed="plain"), FrameStore(data / "heldout")
    world = engine.world
    clips = draw_clips(world.tokenizer, store, 1, context=4, horizon=5)
    made = own_output(world, clips, setting_of(world.config.play))
    context = clips.frames[0, :4].numpy(), clips.controls[0, :4].numpy()
    engine.reset(Scene("start", "Start", *context), seed=0)
    played = np.stack([engine.step(keys) for keys in clips.controls[0, 4:].numpy()])
    assert np.abs(made[0].numpy().astype(int) - played).max() <= 1


@torch.inference_mode()
def test_the_first_frame_after_real_ones_is_the_first_on_own_output(folder, data):
    from worldmodel.data.clips import FrameStore

    world, store = load_world(folder, "cpu", "plain"), FrameStore(data / "heldout")
    clips = draw_clips(world.tokenizer, store, 3, context=4, horizon=4)
    setting = setting_of(world.config.play)
    own, forced = own_output(world, clips, setting), after_real(world, clips, setting, every=2)
    assert forced.shape[1] == 2 and torch.equal(own[:, 0], forced[:, 0])
    assert clips.first(2, 1).truth.shape[:2] == (2, 1)


def test_runs_follow_one_player_from_episode_to_episode(data):
    from worldmodel.data.clips import FrameStore

    store = FrameStore(data / "heldout")
    runs = recorded_runs(store, 4, 500, context=4)
    assert runs.rows.shape == (4, 504) and runs.rows[1, 0] == 150 and runs.rows[3, 0] == 0
    assert list(runs.rows[1, [149, 150, 299, 300]]) == [299, 300, 449, 0]
    assert list(runs.seeds) == [11, 12, 13, 11]
    assert Plan(ahead=10, far=1, frames=30).count(3) == 50
    keys = random_keys(store.space, 2, 40)
    assert keys.shape == (2, 40, 6) and 0.1 < keys.mean() < 0.5 and (keys[0] != keys[1]).any()


@torch.inference_mode()
def test_who_is_shown_a_whole_window_is_as_if_begun_afresh(folder, data, small, record):
    """Nothing outlasts twice the window: what has drifted is forgotten, but for rounding."""
    from worldmodel.data.clips import FrameStore

    world, store = load_world(folder, "cpu", "plain"), FrameStore(data / "heldout")
    clips = draw_clips(world.tokenizer, store, 2, context=4, horizon=1)

    class Subject:
        setting = setting_of(world.config.play)

    subject = Subject()
    subject.world, subject.store, subject.clips = world, store, clips
    runs = recorded_runs(store, 2, 20, context=world.config.world.window + 8)
    dreamer = begin(subject, runs)
    for _ in range(3):
        dreamer.dream(torch.zeros(2, 6))
    dreamer.leave(2)
    found = recovery.Recovery(subject, runs, ahead=3)
    branch = Dreamer(world, subject.setting, dreamer.seeds)
    branch.cache = dreamer.cache
    afresh = Dreamer(world, subject.setting, dreamer.seeds)
    anchored, fresh = (found._go_on(each, runs, runs.context) for each in (branch, afresh))
    assert (anchored.int() - fresh.int()).abs().max() <= 1  # the ring lies otherwise


def test_a_straight_path_has_no_bend():
    way = torch.randn(3, 4, 2)
    assert bend(way.expand(5, -1, -1, -1), way).abs().max() < 1e-10
    turned = torch.stack([way + 1, way - 1])
    assert torch.allclose(bend(turned, way), 1 / way.square().mean(dim=(1, 2)))


def test_trials_are_all_different_and_count_their_looks():
    from dataclasses import replace

    from worldmodel.checkpoint import PlayConfig

    shipped = setting_of(PlayConfig(steps=2, warm_start=0.7))
    found = trials(shipped)
    assert len({trial.name for trial in found}) == len(found)
    assert {trial.looks for trial in found if "guidance" not in trial.name} == {1, 2, 4, 16}
    late = replace(shipped, guidance=2.0, guidance_interval=(0.3, 1.0))
    assert guided_looks(late) == 1 and guided_looks(replace(late, warm_start=0.0)) == 1
    assert guided_looks(replace(late, guidance_interval=(0.0, 1.0))) == 2


def test_numbers_that_are_none_are_null():
    from worldmodel.evaluate.report.page import finite

    assert finite({"a": [math.nan, math.inf, 1.0], "b": (2,)}) == {"a": [None, None, 1.0], "b": [2]}

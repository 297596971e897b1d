"""Drift's figures on worlds whose fate is known: one that is perfect, one that freezes, one that
fades."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from judged import MeanColours, blurred, write_store
from play.playing import SIZE

from worldmodel.data.progress import Progress
from worldmodel.evaluate import drift, journeys
from worldmodel.evaluate.subject import Budget

FRAMES, CONTEXT = 32, 4


class Known:
    """A dreamer who remembers the recording; `fate` says what becomes of frame number t."""

    def __init__(self, store, runs, fate):
        self.store, self.runs, self.fate, self.t = store, runs, fate, 0
        self.seeds = list(range(len(runs)))
        self.ended = torch.zeros(len(runs), dtype=torch.int64)

    def dream(self, controls):
        real = self.runs.real(self.store, slice(self.t, self.t + 1))
        first = self.runs.real(self.store, slice(0, 1))
        self.t += 1
        return self.fate(self.t, real, first)[:, 0]


class Noted(Known):
    """One that some of his players leave."""

    def leave(self, count):
        self.runs = self.runs.part(0, count)


def perfect(t, real, first):
    return real


def freezing(t, real, first):
    return real if t < 10 else first


def fading(t, real, first):
    for _ in range(t // 12):
        real = blurred(real)
    return real


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return write_store(tmp_path_factory.mktemp("drift") / "heldout")


@pytest.fixture
def figures(store, monkeypatch):
    """What the section says of a fate."""
    for part in (drift, journeys):
        monkeypatch.setattr(part, "STRETCH", 8)
    monkeypatch.setattr(drift, "STRETCHES", (0,))
    subject = SimpleNamespace(
        store=store, features=MeanColours(SIZE), clips=SimpleNamespace(context=CONTEXT),
        budget=Budget(drift_starts=4, drift_frames=FRAMES),
        progress=lambda title, frames: Progress(title, frames, "frames"),
        world=SimpleNamespace(ending=None),
    )  # fmt: skip

    def judged(fate):
        monkeypatch.setattr(journeys, "begin", lambda subject, runs: Known(store, runs, fate))
        found = drift.drift(subject).figures
        return {name: figure.value for name, figure in found.items()}

    return judged


FIRST, LAST = "frames 1-8", "frames 25-32"


def test_a_perfect_world_does_not_drift(figures):
    found = figures(perfect)
    assert found[f"recorded keys: KID, {FIRST}"] == found[f"recorded keys: KID, {LAST}"] == 0
    real = "KID of real frames 25-32 against real ones 1-8"
    assert abs(found[real]) < 1000 and found[real] == figures(fading)[real]
    for where in (FIRST, LAST):
        sharpness = found[f"recorded keys: gradient energy over the real one, {where}"]
        assert sharpness == pytest.approx(1, abs=0.1)
        assert found[f"recorded keys: colour from the real one, {where}"] < 3
        assert found[f"recorded keys: share of frozen frames, {where}"] == 0


def test_a_world_that_freezes_is_frozen_and_not_blurred(figures):
    found = figures(freezing)
    assert found[f"recorded keys: share of frozen frames, {FIRST}"] == 0
    assert found[f"recorded keys: share of frozen frames, {LAST}"] == 1
    assert found[f"recorded keys: gradient energy over the real one, {LAST}"] > 0.8
    for n in (1, drift.LANDED):
        assert found[f"no keys: PSNR of frame {FRAMES} against frame {n}"] > 70


def test_a_world_that_fades_is_blurred_and_not_frozen(figures):
    found = figures(fading)
    name = "recorded keys: gradient energy over the real one"
    assert found[f"{name}, {FIRST}"] == pytest.approx(1, abs=0.1)
    assert found[f"{name}, {LAST}"] < 0.1
    assert found[f"recorded keys: share of frozen frames, {LAST}"] < 0.2
    assert found[f"recorded keys: colour from the real one, {LAST}"] < 3


def test_runs_are_dreamed_some_at_a_time_each_as_all_together(monkeypatch, store):
    subject = SimpleNamespace(store=store)
    runs = journeys.recorded_runs(store, 5, FRAMES, CONTEXT)
    controls = np.zeros((5, FRAMES, 6), np.float32)
    monkeypatch.setattr(journeys, "begin", lambda subject, runs: Noted(store, runs, perfect))
    found, seen = [], []
    for together in (2, 5):
        seen.clear()
        monkeypatch.setattr(journeys, "TOGETHER", together)
        plan = journeys.Plan(ahead=8, far=3, frames=12)
        journey = journeys.travel(
            subject, runs, controls, plan=plan, keep={1, 7, 8, 11}, advance=lambda count: None,
            after=lambda dreamer, some: seen.extend(some.first + i for i in range(len(some))),
        )  # fmt: skip
        assert seen == [0, 1, 2, 3, 4] and [len(journey.frames[t]) for t in (7, 8)] == [5, 3]
        assert np.isfinite(journey.sharpness).sum(axis=1).tolist() == [12, 12, 12, 8, 8]
        found.append(journey)
    assert all(torch.equal(found[0].frames[t], found[1].frames[t]) for t in (1, 7, 8, 11))
    np.testing.assert_array_equal(found[0].change, found[1].change)


def test_levels_that_end_are_counted_as_dreamed_and_as_recorded():
    episodes = [SimpleNamespace(stop=n, ended=n < 60) for n in (30, 60, 90)]
    subject = SimpleNamespace(
        world=SimpleNamespace(ending=object()), store=SimpleNamespace(episodes=episodes)
    )
    sharpness = np.ones((2, 100))
    sharpness[1, 50:] = np.nan  # this run stops there
    rows = np.arange(104) + np.array([[0], [20]])
    kind = SimpleNamespace(
        name="keys", runs=SimpleNamespace(rows=rows, context=4, seeds=np.arange(2)),
        journey=SimpleNamespace(sharpness=sharpness, ended=np.array([3, 1])),
    )  # fmt: skip
    found = drift.levels(subject, kind)
    assert found["keys: levels that end in 1,000 frames"].value == (30 + 20) / 2
    assert found["keys: levels that end in 1,000 frames, as recorded"].value == (10 + 20) / 2


def test_frames_under_no_key_are_never_frozen():
    change, held = torch.zeros(1, 4).numpy(), torch.tensor([[True, True, False, False]]).numpy()
    assert drift.frozen_share(change, held) == 1
    assert drift.frozen_share(change + 1, held) == 0
    assert drift.frozen_share(change, held & False) != drift.frozen_share(change, held)


def test_a_stretch_in_which_runs_end_is_of_those_that_go_through_it():
    """Most runs stop in the middle of it, as a plan may have it."""
    journey = journeys.empty_journey(torch.zeros(5, 70, 2).numpy())
    journey.frames = {
        t: torch.full((5 if t < 40 else 2, 4, 4, 3), t, dtype=torch.uint8) for t in range(70)
    }
    found = journey.stretch(4)
    assert found.shape == (2, 16, 4, 4, 3)
    assert found[1, :, 0, 0, 0].tolist() == list(range(4, 68, 4))

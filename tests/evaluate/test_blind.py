"""The blind test: answers are kept whole, scores are binomial, and nothing tells which is real."""

import json

import numpy as np
import pytest

from worldmodel.errors import UserError
from worldmodel.evaluate import blind
from worldmodel.evaluate.blind import SECONDS, Answers, Trial, Trials, make_test, score, wilson
from worldmodel.evaluate.blind_page import pair


def some_test(count=4):
    """Red clips are real, blue ones dreamed."""
    red, blue = np.zeros((2, 5, 8, 16, 3), np.uint8)
    red[..., 0], blue[..., 2] = 200, 200
    trials = [
        Trial(name=f"clip-{i}", seconds=SECONDS[i % 2], real=red, dreamed=blue)
        for i in range(count)
    ]
    return Trials(world="Doom", weights="abc", fps=17.5, trials=tuple(trials))


def answered(path, right, wrong):
    """A file with so many right and wrong answers to the first trial."""
    test, answers = some_test(), Answers(path)
    for i in range(right + wrong):
        answers.add(test, test.trials[0], "me", True, i < right)
    return test, answers


def test_an_answer_is_on_the_disk_at_once(tmp_path):
    test, answers = answered(tmp_path / "sub" / "answers.jsonl", 1, 1)
    (first, second) = map(json.loads, answers.path.read_text().splitlines())
    assert (first["real"], first["said"], second["said"]) == ("left", "left", "right")
    assert first["trial"] == "clip-0" and first["weights"] == "abc" and first["person"] == "me"
    assert blind.scores(test, answers.read()) == [
        "1.6 s: 0.50 (0.09 to 0.91), 1 of 2 right", "3.2 s: - (0.00 to 1.00), 0 of 0 right",
    ]  # fmt: skip


def test_answers_about_other_weights_or_of_others_do_not_count(tmp_path):
    test, answers = answered(tmp_path / "answers.jsonl", 3, 0)
    other = Trials(world="Doom", weights="xyz", fps=17.5, trials=test.trials)
    assert "0 of 0" in blind.scores(other, answers.read())[0]
    assert "0 of 0" in blind.scores(test, answers.read(), "you")[0]
    assert "3 of 3" in blind.scores(test, answers.read(), "me")[0]


def test_a_half_written_line_is_dropped_and_the_next_answer_kept(tmp_path):
    test, answers = answered(tmp_path / "answers.jsonl", 2, 0)
    with answers.path.open("a") as file:
        file.write('{"real": "le')
    answers = Answers(answers.path)
    answers.add(test, test.trials[0], "me", True, False)
    assert score(answers.read()).answers == 3


def test_a_file_of_something_else_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("milk\n")
    with pytest.raises(UserError, match=r"notes\.txt line 1 should be an answer"):
        Answers(tmp_path / "notes.txt")


def test_the_interval_is_wilsons():
    assert wilson(5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)
    assert wilson(10, 10) == pytest.approx((0.7225, 1.0), abs=1e-4)
    assert wilson(0, 0) == (0, 1)


def test_sides_and_nothing_else_differ_on_the_page():
    trial = some_test().trials[0]
    left, right = pair(trial, True, 17.5), pair(trial, False, 17.5)
    real, dreamed = (part.split('"')[0] for part in left.split('src="')[1:])
    assert right == left.replace(real, "x").replace(dreamed, real).replace("x", dreamed, 1)


def test_trials_of_both_lengths_begin_with_the_same_frame(
    monkeypatch, strip_arrays, strip_world, frozen
):
    network = type("Network", (), {"state_dict": dict})()
    strip_world.network, strip_world.config.fps = network, 5.0  # 16 frames are 3.2 seconds
    monkeypatch.setattr(blind, "load_world", lambda *_: strip_world)
    monkeypatch.setattr(blind, "dream", frozen)
    test = make_test("a strip", strip_arrays, trials=6)
    assert sorted(trial.seconds for trial in test.trials) == [1.6] * 3 + [3.2] * 3
    for trial in test.trials:
        assert len(trial.real) == len(trial.dreamed) == 1 + round(trial.seconds * 5)
        assert np.array_equal(trial.real[0], trial.dreamed[0])
        assert not np.array_equal(trial.real[-1], trial.dreamed[-1]) or trial.seconds == 1.6

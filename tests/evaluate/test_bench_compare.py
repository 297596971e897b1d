"""Comparing: the order is ABBA, the ratio is right, and its interval holds what it claims."""

import numpy as np
import pytest

from worldmodel import cli
from worldmodel.cli.options import settings_of
from worldmodel.errors import UserError
from worldmodel.evaluate.bench import play
from worldmodel.evaluate.bench.compare import compare, ratio_of


def test_the_order_turns_round_at_every_pair():
    order = []

    def sample(name):
        return lambda: order.append(name) or 1.0

    report = compare({"a": sample("a"), "b": sample("b")}, "a thing", pairs=4)
    assert "".join(order) == "ab" + "abbaabba"  # after warming both
    assert report["ratio"] == {"p50": 1.0, "low": 1.0, "high": 1.0}


def test_a_machine_that_slows_down_does_not_change_the_ratio():
    draw, now = np.random.default_rng(0), [1.0]

    def sample(cost):
        def run():
            now[0] *= 1.02  # everything takes longer each time
            return cost * now[0] * draw.lognormal(sigma=0.05)

        return run

    ratio = compare({"a": sample(1.3), "b": sample(1.0)}, "a thing", pairs=40)["ratio"]
    assert ratio["low"] < 1.3 < ratio["high"] and ratio["high"] - ratio["low"] < 0.1


def test_the_interval_holds_the_truth_as_often_as_it_says():
    draw, held = np.random.default_rng(1), 0
    for _ in range(100):
        first, second = draw.lognormal(np.log(1.1), 0.1, 24), draw.lognormal(0, 0.1, 24)
        _, low, high = ratio_of(list(first), list(second))
        held += low <= 1.1 <= high
    assert 85 <= held <= 100


def test_settings_are_read_as_the_kind_they_are():
    words = "steps=1,speed=plain,players=4,checkpoint=a/b"
    assert settings_of(words, play.sample_play) == {
        "steps": 1, "speed": "plain", "players": 4, "checkpoint": "a/b",
    }  # fmt: skip
    assert settings_of("worlds/other", play.sample_play) == {"checkpoint": "worlds/other"}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("wings=2", "there is no setting 'wings' here; choose of checkpoint, steps"),
        ("steps=many", "steps should be of type int, found 'many'"),
    ],
)
def test_a_setting_that_is_not_there_is_a_sentence(text, sentence):
    with pytest.raises(UserError, match=sentence):
        settings_of(text, play.sample_play)


def test_two_settings_on_the_command_line(monkeypatch, capsys):
    asked = []

    def sample_play(checkpoint="", *, steps=2, speed="auto"):
        asked.append((str(checkpoint), steps, speed))
        return lambda: float(steps)

    monkeypatch.setattr(play, "sample_play", sample_play)
    words = "bench play worlds/a --speed plain --steps 3 --compare steps=4 worlds/b,steps=2"
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")
    assert cli.main([*words.split(), "--pairs", "3"]) == 0
    assert asked == [("worlds/a", 4, "plain"), ("worlds/b", 2, "plain")]
    out = capsys.readouterr().out
    assert "2 (low 2, high 2)" in out and "A: steps=4" in out

"""Actions that belong to another frame are found, and nothing is claimed without evidence."""

import numpy as np
import pytest
from panorama import recordings


def shift(episodes, by):
    """Store each action `by` frames later."""
    for episode in episodes:
        episode.controls = np.roll(episode.controls, by, axis=0)
        episode.controls[: max(by, 0)] = 0


def test_a_clean_set_passes(examined):
    found = examined()
    assert {one.name: str(one.verdict) for one in found.values() if one.verdict == "wrong"} == {}
    alignment = found["alignment"]
    assert alignment.verdict == "ok" and alignment.figures["best lag"] == 0
    assert alignment.figures["margin"][1] > 0.3
    strengths = alignment.figures["strength by lag"]
    assert list(strengths) == ["-3", "-2", "-1", "0", "1", "2", "3"]
    assert max(strengths, key=lambda lag: strengths[lag][0]) == "0"
    assert found["dead keys"].verdict == "ok"
    assert found["consistency"].verdict == "ok"


@pytest.mark.parametrize(("by", "word"), [(1, "late"), (-1, "early"), (2, "late")])
def test_shifted_actions_are_found_with_their_lag(examined, by, word):
    found = examined(lambda episodes: shift(episodes, by))
    assert found["alignment"].verdict == "wrong"
    assert found["alignment"].figures["best lag"] == by
    assert (
        word in found["alignment"].sentence
        and f"shift them by {-by:+d}" in found["alignment"].sentence
    )
    assert found["dead keys"].figures["dead"] == []


def test_a_picture_that_answers_to_nothing_is_no_evidence(examined, clean):
    others = recordings(seed=7)

    def strangers(episodes):
        for episode, other in zip(episodes, others, strict=True):
            episode.controls = other.controls

    found = examined(strangers)
    assert found["alignment"].verdict == "cannot tell"
    assert found["alignment"].figures.get("best lag") is None
    assert found["consistency"].verdict == "cannot tell"


def test_no_keys_are_no_evidence(examined):
    def hands_off(episodes):
        for episode in episodes:
            episode.controls[:] = 0

    assert examined(hands_off)["alignment"].verdict == "cannot tell"


def test_walking_alone_is_enough(examined):
    def only_walking(episodes):
        for episode in episodes:
            episode.controls[:, 1:] = 0

    from panorama import play

    episodes = recordings()
    only_walking(episodes)
    for index, episode in enumerate(episodes):
        episode.frames = play(episode.controls, np.random.default_rng(index))
    found = examined(episodes=episodes)
    assert found["alignment"].verdict == "ok" and found["alignment"].figures["best lag"] == 0


def test_single_episodes_out_of_step_are_named(examined):
    found = examined(lambda episodes: shift(episodes[3:5], 1))
    steps = found["episodes out of step"]
    assert steps.verdict == "wrong"
    assert steps.figures["out of step"] == {"train/000003": 1, "train/000004": 1}


def test_chance_finds_no_lag():
    """Of many sets in which keys do nothing, next to none gets a lag."""
    from panorama import SPACE, held_keys

    from worldmodel.data.doctor.alignment import examine_alignment
    from worldmodel.data.doctor.answers import answers
    from worldmodel.data.doctor.collection import Part
    from worldmodel.data.doctor.sample import Sample, Stretch

    claimed = 0
    for seed in range(8):
        random = np.random.default_rng(seed)
        stretches = tuple(
            Stretch(
                part=Part(
                    split="", name=str(i), frames=100, seed=i, player="", labelled=True, place=i
                ),
                start=0,
                colours=np.zeros((100, 1, 1, 3), np.uint8),
                change=np.zeros(100, np.float32),
                flow=random.normal(size=(99, 24)).cumsum(0).astype(np.float32),
                blocks=random.normal(size=(99, 12)).astype(np.float32),
                controls=held_keys(100, random),
            )
            for i in range(14)
        )
        sample = Sample(stretches=stretches, controls={}, times={}, damaged=(), whole=True)
        claimed += "best lag" in examine_alignment(answers(sample, SPACE)).figures
    assert claimed <= 1

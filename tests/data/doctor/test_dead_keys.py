"""A key that changes nothing is found; one that is seldom pressed is not called dead."""

from panorama import recordings


def test_a_dead_key_is_found_and_only_it(examined):
    found = examined(episodes=recordings(dead=("look_up",)))
    dead = found["dead keys"]
    assert dead.verdict == "wrong" and dead.figures["dead"] == ["look_up"]
    assert "does not answer to look_up" in dead.sentence
    assert found["alignment"].verdict == "ok"


def test_a_dead_walking_key_is_found(examined):
    found = examined(episodes=recordings(dead=("forward",)))
    assert found["dead keys"].figures["dead"] == ["forward"]


def test_a_key_that_is_hardly_pressed_cannot_be_told(examined):
    def seldom(episodes):
        for episode in episodes[1:]:
            episode.controls[:, 4] = 0

    dead = examined(seldom)["dead keys"]
    assert "look_down" in dead.figures["cannot tell"] and dead.figures["dead"] == []


def test_strengths_are_about_nothing_where_there_is_nothing():
    import numpy as np

    from worldmodel.data.doctor.response import strength_interval

    random, precision = np.random.default_rng(0), np.eye(12)
    covered = 0
    for _ in range(200):
        point = random.normal(size=12) * 0.1
        draws = point + random.normal(size=(200, 12)) * 0.1
        _, low, high = strength_interval(point, draws, precision)
        covered += low <= 0 <= high
    assert covered >= 180

"""Black, repeated, frozen and returning pictures; brightness and coverage."""

import numpy as np
import pytest


def test_five_percent_of_black_frames_are_found(examined):
    def blacken(episodes):
        for episode in episodes:
            episode.frames[40:48] = 0

    bright = examined(blacken)["brightness"]
    assert bright.verdict == "wrong" and bright.figures["black"] == pytest.approx(0.05)
    assert "train/000000 frames 40 to 47" in bright.figures["where"]
    assert bright.shown[0].row == 44


def test_a_single_black_frame_is_noted(examined):
    def one(episodes):
        episodes[0].frames[5] = 3

    assert examined(one)["brightness"].verdict == "note"


def test_repeated_frames_are_found(examined):
    def repeat(episodes):
        for episode in episodes:
            episode.frames[10::10] = episode.frames[9::10][: len(episode.frames[10::10])]

    found = examined(repeat)["repeated frames"]
    assert found.verdict == "wrong" and found.figures["share of moving frames"] > 0.02


def test_a_frozen_picture_with_keys_held_is_found(examined):
    def freeze(episodes):
        for episode in episodes:
            episode.frames[80:120] = episode.frames[80]

    found = examined(freeze)["stillness"]
    assert found.verdict == "wrong"
    assert found.figures["frozen with keys held"] == pytest.approx(40 / 160, abs=0.05)


def test_a_picture_that_keeps_coming_back_is_a_menu(examined):
    menu = np.random.default_rng(0).integers(0, 255, (24, 32, 3), dtype=np.uint8)

    def insert(episodes):
        for episode in episodes:
            episode.frames[60:76] = menu

    found = examined(insert)["menus"]
    assert found.verdict == "wrong" and found.figures["share"] == pytest.approx(0.1, abs=0.01)


def test_one_episode_many_times_covers_little(examined, clean):
    found = examined()["coverage"].figures
    assert found["near-duplicates"] < 0.05
    assert found["distinct pictures"] > 200


def test_the_same_recordings_again_are_near_duplicates(clean, tmp_path):
    import copy

    from panorama import write_arrays

    from worldmodel.data.doctor.examine import examine

    again = copy.deepcopy(clean[:6])
    for episode in again:
        episode.name = "again-" + episode.name
    write_arrays(tmp_path / "train", clean[:6] + again)
    found = {one.name: one for one in examine(tmp_path).findings}
    assert found["coverage"].verdict == "note"
    assert found["episodes"].verdict == "wrong"
    assert len(found["episodes"].figures["recorded twice"]) == 6

"""Which frames go, told from keys and motion alone."""

import numpy as np

from worldmodel.data.curation.marks import SHORT, mark_duplicates, mark_short, mark_still
from worldmodel.data.curation.rules import Duplicates, Still


def marks(count):
    return np.full(count, "", object)


def test_the_ends_of_a_still_stretch_stay():
    """A press after a rest is of use only with the frame that was there before it."""
    motion = np.full(40, 9.0)
    motion[10:30] = 0
    found = marks(40)
    mark_still(found, motion, np.ones(40, bool), Still(below=0.5, keep=5), 10, "idle")
    assert np.flatnonzero(found == "idle").tolist() == list(range(13, 28))


def test_a_key_frame_of_the_video_does_not_end_a_stretch():
    motion = np.full(60, 9.0)
    motion[10:50], motion[[16, 32, 48]] = 0.1, 1.5
    found = marks(60)
    mark_still(found, motion, np.ones(60, bool), Still(below=0.5, keep=5), 10, "idle")
    assert np.flatnonzero(found == "idle").tolist() == list(range(13, 48))


def test_a_short_rest_is_none_and_neither_is_one_with_keys():
    motion = np.full(40, 9.0)
    motion[5:10] = motion[20:40] = 0
    found, free = marks(40), np.arange(40) < 20
    mark_still(found, motion, free, Still(below=0.5, keep=0), 10, "idle")
    assert not (found == "idle").any()


def test_a_repeated_frame_under_the_same_keys_goes():
    motion = np.full(12, 9.0)
    motion[[4, 8]] = 0
    controls = np.zeros((12, 1), np.float32)
    controls[8:] = 1  # a key goes down with the second one: that may be the game's own
    found = marks(12)
    mark_duplicates(found, motion, controls, Duplicates())
    assert np.flatnonzero(found == "duplicate").tolist() == [4]


def test_what_is_too_short_between_two_cuts_goes_too():
    found = marks(20)
    found[[5, 9]] = "black"
    mark_short(found, 5)
    assert np.flatnonzero(found == SHORT).tolist() == [6, 7, 8]

"""Panoramas: what an episode shows piece by piece becomes one picture of its level."""

import numpy as np
import pytest

from worldmodel.train.panoramas import Canvas, misfit, panoramas

SIZE = 32, 48
FIGURE = slice(12, 20), slice(20, 28)


@pytest.fixture(scope="module")
def level():
    """uint8 [80 200 3], nowhere like itself."""
    paint = np.random.default_rng(0).integers(0, 256, (10, 25, 3)).repeat(8, 0).repeat(8, 1)
    for axis in (0, 1):
        paint = (paint + np.roll(paint, 2, axis) + np.roll(paint, 4, axis)) / 3
    return paint.astype(np.uint8)


@pytest.fixture(scope="module")
def clear():
    found = np.ones(SIZE, bool)
    found[FIGURE] = False
    return found


def seen(level, path):
    """Frames [t 32 48 3] of a player who stands in the middle, seen from x and y of a path, and
    the way between them."""
    frames = np.stack([level[y : y + SIZE[0], x : x + SIZE[1]] for x, y in path]).copy()
    frames[:, *FIGURE] = 255
    return frames, np.diff(np.array(path, float), axis=0, prepend=[path[0]])


def recorded(picture):
    """The colours [H' W' 3] of what a panorama says was seen, where that is all of a rectangle."""
    rows, columns = (np.flatnonzero((picture[..., 3] > 0).any(axis=axis)) for axis in (1, 0))
    return picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def run(begin, end, y=10):
    return [(x, y) for x in range(begin, end, 4)]


def test_a_run_becomes_one_picture_without_the_runner(level, clear):
    (canvas,) = panoramas(*seen(level, run(10, 91)), clear)
    found = recorded(canvas.panorama())
    assert found.shape[:2] == (32, 80 + 48) and found[..., 3].mean() > 250
    off = np.abs(found[..., :3].astype(int) - level[10:42, 10:138])
    assert off[found[..., 3] > 0].max() <= 1


def test_ways_that_are_measured_badly_do_not_shear_it(level, clear):
    frames, ways = seen(level, run(10, 91))
    ways += np.random.default_rng(1).normal(0, 0.3, ways.shape)
    (canvas,) = panoramas(frames, ways, clear)
    found = recorded(canvas.panorama())
    assert found.shape[:2] == (32, 80 + 48)
    assert np.abs(found[..., :3].astype(int) - level[10:42, 10:138])[found[..., 3] > 0].max() <= 1


def test_a_level_begun_anew_goes_on_in_the_same_picture(level, clear):
    """He falls into a pit after the first half, and is back at the beginning without a way."""
    frames, ways = seen(level, run(10, 60) + run(10, 91))
    ways[np.abs(ways).max(axis=1) > 8] = 0
    (canvas,) = panoramas(frames, ways, clear)
    assert recorded(canvas.panorama()).shape[:2] == (32, 80 + 48)


def test_another_level_is_a_picture_of_its_own(level, clear):
    other = 255 - np.roll(level, (24, 80), axis=(0, 1))
    (first, ways), (second, more) = (seen(each, run(10, 91)) for each in (level, other))
    found = panoramas(np.concatenate([first, second]), np.concatenate([ways, more]), clear)
    assert len(found) == 2
    begun = recorded(found[1].panorama())[:, -80:, :3].astype(int)  # what was noticed of it
    assert np.median(np.abs(begun - other[10:42, 58:138])) <= 1


def test_what_nobody_has_seen_is_what_was_seen_beside_it(level, clear):
    canvas = Canvas(np.float32(level[:32, :48]) / 255, np.ones(SIZE, bool))
    found = canvas.panorama()
    assert found.shape == (64, 96, 4)
    assert np.array_equal(found[16:48, 24:72, :3], level[:32, :48])
    assert found[16:48, 24:72, 3].min() == 255 and (found[..., 3] > 0).sum() == 32 * 48
    assert np.array_equal(found[30, :24, :3], np.repeat(level[14:15, 0], 24, axis=0))
    assert np.array_equal(found[30, 72:, :3], np.repeat(level[14:15, 47], 24, axis=0))
    for row in (0, 15):
        assert np.array_equal(found[row, 24:72, :3], level[0, :48])


def test_a_way_that_leads_out_of_all_that_is_there_fits_nowhere(level, clear):
    """And the frame is looked for elsewhere."""
    frames, ways = seen(level, run(10, 91))
    ways[6], ways[9] = (900, -900), (-1800, 1800)
    (canvas,) = panoramas(frames, ways, clear)
    assert recorded(canvas.panorama()).shape[:2] == (32, 80 + 48)


def test_a_standing_picture_is_kept_too(level, clear):
    (canvas,) = panoramas(*seen(level, [(10, 10)] * 5), clear)
    assert recorded(canvas.panorama()).shape[:2] == SIZE


def test_how_well_a_frame_fits_in_is_what_each_place_says(level, clear):
    """By two roads: three correlations, and pixel by pixel."""
    draw = np.random.default_rng(2)
    colours = draw.random((40, 60, 3), np.float32)
    known = (draw.random((40, 60)) < 0.7).astype(np.float32)
    frame = draw.random((*SIZE, 3)).astype(np.float32)
    found = misfit(colours * known[..., None], known, frame, clear)
    for y, x in ((0, 0), (3, 7), (8, 12)):
        both = (known[y : y + 32, x : x + 48] > 0) & clear
        apart = (colours[y : y + 32, x : x + 48] - frame)[both]
        assert found[y, x] == pytest.approx(np.sqrt(np.square(apart).mean()), rel=1e-3)
    assert found.shape == (9, 13)
    assert np.isinf(misfit(colours, np.zeros((40, 60), np.float32), frame, clear)).all()

"""Who has sunk into what stopped him comes out again: recorded pictures, pushed on into it."""

import json

import numpy as np
import pytest
import torch

from worldmodel.data.clips import FrameStore, Span
from worldmodel.games.base import ControlSpace
from worldmodel.train.objectives import pushing

SIZE, FIGURE = (16, 48), (slice(4, 12), slice(20, 28))  # the figure stays in the middle
STOPPED = 30  # the row from which on a wall is in the way
BUTTONS = ("left", "right", "jump", "duck", "fire", "use")


def hall(folder, stopped=STOPPED, count=60):
    """A store on disk: a figure runs to the right by two pixels a frame, and is stopped."""
    draw = np.random.default_rng(3)
    paint = np.kron(draw.integers(0, 256, (2, 60, 3)), np.ones((8, 8, 1)))
    for axis in (0, 1):
        paint = (paint + np.roll(paint, 2, axis) + np.roll(paint, 4, axis)) / 3
    at = 2 * np.minimum(np.arange(count), stopped - 1)
    frames = np.stack([paint[:, x : x + SIZE[1]] for x in at]).astype(np.uint8)
    frames[:, *FIGURE] = draw.integers(0, 256, (8, 8, 3))
    controls = np.zeros((count, len(BUTTONS)), np.float32)
    controls[:, 1] = 1
    arrays = {"frames": frames, "controls": controls, "motion": np.ones(count, np.float32)}
    folder.mkdir(parents=True)
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    span = {"name": "a", "start": 0, "stop": count, "seed": 1, "player": "runner"}
    record = {
        "source": "hall", "game": "none", "licence": "CC0-1.0", "fps": 15.0, "size": list(SIZE),
        "controls": ControlSpace(buttons=BUTTONS, keymap={}).to_json(), "episodes": [span],
    }  # fmt: skip
    (folder / "episodes.json").write_text(json.dumps(record))
    return FrameStore(folder)


def test_the_way_of_the_whole_picture_is_measured(tmp_path):
    """The figure in the middle stays, which takes something from the mean."""
    ways = pushing.whole_ways(hall(tmp_path / "hall"))
    assert not ways[0].any() and np.abs(ways[STOPPED:]).max() < 1e-6
    assert np.median(ways[1:STOPPED, 0]) == pytest.approx(2 * 5 / 6, abs=0.3)  # its share
    assert np.abs(ways[:, 1]).max() < 0.3


def test_stopped_is_who_was_fast_and_has_not_moved_since():
    wall = [0, 3, 3, 0, 0, 0, 0]
    slower = [3, 2, 1.2, 0.8, 0.4, 0.2, 0]
    apex = [-4, -2.5, -1.2, 0, 1.2, 2.5, 4]
    goes_on = [3, 0, 0, -2, 0, 0, 0]
    ways = np.array([wall, slower, apex, goes_on], np.float32).T
    span = (Span(name="a", start=0, stop=7, seed=0, player="p"),)
    found = [pushing.stops(ways[:, [i, i]], span)[:, 0].tolist() for i in range(4)]
    assert found == [
        [0, 0, 0, 1, 1, 1, 0],
        [0] * 7,
        [0] * 7,
        [0, 1, 1, 0, -1, -1, 0],
    ]


def test_an_episode_knows_nothing_of_the_one_before():
    ways = np.array([[3, 0], [0, 0], [0, 0], [0, 0], [0, 0], [0, 0]], np.float32)
    spans = [Span(name=n, start=s, stop=s + 3, seed=0, player="p") for n, s in (("a", 0), ("b", 3))]
    assert pushing.stops(ways, spans)[:, 0].tolist() == [0, 1, 0, 0, 0, 0]


def test_the_figure_stays_and_the_hall_does_not(tmp_path):
    store = hall(tmp_path / "hall")
    stays = pushing.what_stays(store, pushing.whole_ways(store))[0, 0]
    assert stays[FIGURE].mean() > 0.9
    elsewhere = torch.ones(SIZE, dtype=bool)
    elsewhere[2:14, 18:30] = False
    assert stays[elsewhere].mean() < 0.05


def test_pushed_pictures_go_on_and_are_mirrored_at_the_edge_but_for_what_stays():
    pictures = torch.arange(6.0).expand(2, 3, 4, 6).clone()
    stays = torch.zeros(1, 1, 4, 6)
    stays[..., 0] = 1
    by = torch.tensor([[2 / 3, 0.0], [2 / 3, 0.0]])  # two pixels to the right
    both = pushing.pushed(pictures, stays, by, torch.tensor([True, False]))
    torch.testing.assert_close(both[0, 0, 0], torch.tensor([0.0, 3, 4, 5, 5, 4]))
    torch.testing.assert_close(both[1, 0, 0], torch.tensor([0.0, 1, 2, 3, 3, 2]))

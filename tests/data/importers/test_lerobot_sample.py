"""A LeRobotDataset v3 that lerobot's own code wrote (samples/lerobot: lerobot 0.4.4's
`LeRobotDataset.create`, `add_frame`, `save_episode`, `finalize`; AV1 video), of painted frames."""

from pathlib import Path

import numpy as np
from filming import imported
from painter import read, some_controls

SAMPLE = Path(__file__).parent / "samples" / "lerobot"


def test_every_frame_shows_the_keys_that_are_stored_with_it(tmp_path):
    episodes = imported(SAMPLE, tmp_path / "out", controls=None, fit="stretch")
    assert [len(episode.frames) for episode in episodes] == [24, 30]
    for number, episode in enumerate(episodes):
        assert episode.meta.controls.buttons == ("KeyA", "KeyD", "KeyW", "KeyS", "KeyQ", "KeyE")
        np.testing.assert_array_equal(episode.controls, some_controls(len(episode.frames), number))
        shown = read(episode.frames)
        assert (shown != episode.controls).mean() < 0.02  # lerobot's AV1 is coarse: one frame
        for lag in (-1, 1):
            assert (np.roll(shown, lag, 0) != episode.controls).mean() > 0.1

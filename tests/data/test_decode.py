"""Decoding from the middle gives what decoding all of it gives, a block at a time."""

import numpy as np
import pytest
from painter import some_controls, write

from worldmodel.data.decode import BLOCK, decode_frames
from worldmodel.data.episode import load_episode
from worldmodel.errors import UserError

SIZE = (16, 48)


@pytest.fixture(scope="module")
def episode(tmp_path_factory):
    return write(tmp_path_factory.mktemp("one") / "000000", some_controls(90))


@pytest.mark.parametrize("start", [0, 1, 15, 16, 40, 89])
def test_any_frame_can_be_the_first(episode, start):
    whole = load_episode(episode).frames
    count = min(30, 90 - start)
    found = np.concatenate(
        list(decode_frames(episode / "video.mp4", SIZE, start=start, count=count))
    )
    np.testing.assert_array_equal(found, whole[start : start + count])


def test_blocks_are_small(episode):
    lengths = [len(block) for block in decode_frames(episode / "video.mp4", SIZE, count=90)]
    assert lengths == [BLOCK, 90 - BLOCK]


def test_a_video_that_ends_too_soon_is_refused(episode):
    with pytest.raises(UserError, match=r"video.mp4 should have 100 frames, but has 90"):
        list(decode_frames(episode / "video.mp4", SIZE, start=80, count=20))


def test_a_video_cut_off_is_refused(episode, tmp_path):
    whole = (episode / "video.mp4").read_bytes()
    (tmp_path / "video.mp4").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"video.mp4 should be a video but cannot be read"):
        list(decode_frames(tmp_path / "video.mp4", SIZE, count=90))

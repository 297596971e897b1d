"""Latents are encoded once, in any number of sittings."""

import numpy as np
import pytest
from painter import some_controls, write

from worldmodel.data.clips import FrameStore
from worldmodel.data.latents import encode_store, load_latents, verify_latents
from worldmodel.data.prepare import prepare
from worldmodel.errors import UserError


@pytest.fixture
def folder(tmp_path):
    write(tmp_path / "train" / "000000", some_controls(23))
    return prepare(tmp_path, workers=1) / "train"


class Means:
    """Encodes a frame as the means of its left and its right half; can be interrupted."""

    def __init__(self, breaks_after=10**9):
        self.batches, self.breaks_after = 0, breaks_after

    def __call__(self, frames):
        if self.batches == self.breaks_after:
            raise KeyboardInterrupt
        self.batches += 1
        halves = frames.reshape(len(frames), 16, 2, 24, 3).mean((1, 3)) / 255
        return halves.astype(np.float32)  # b, 2, 3


def test_latents_are_the_encoders_in_half_precision(folder):
    latents = encode_store(folder, Means(), "abc", batch=8)
    expected = Means()(np.asarray(FrameStore(folder).frames)).astype(np.float16)
    assert latents.shape == (23, 2, 3) and latents.dtype == np.float16
    np.testing.assert_array_equal(latents, expected)


def test_they_are_encoded_once_for_each_key(folder):
    encode_store(folder, Means(), "abc")
    untouched, other = Means(), Means()
    encode_store(folder, untouched, "abc")
    encode_store(folder, other, "xyz")
    assert untouched.batches == 0 and other.batches == 1


def test_an_interrupted_encoding_goes_on_and_shows_nothing_before_its_end(folder, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        encode_store(folder, Means(breaks_after=4), "abc", batch=4, every=3)
    with pytest.raises(UserError, match="latents-abc"):
        load_latents(folder, "abc")
    rest = Means()
    resumed = encode_store(folder, rest, "abc", batch=4, every=3)
    assert rest.batches == 3  # frames 12 to 22
    np.testing.assert_array_equal(resumed, encode_store(folder, Means(), "whole"))
    assert not list(folder.glob(".*"))


def test_latents_that_overflow_are_refused(folder):
    with pytest.raises(UserError, match="65504"):
        encode_store(folder, lambda frames: np.full((len(frames), 1, 1), 1e6), "abc")


def test_latents_of_other_frames_are_refused(folder):
    np.save(folder / "latents-abc.npy", np.zeros((5, 2, 3), np.float16))
    with pytest.raises(UserError, match="23 frames"):
        load_latents(folder, "abc")


def test_changed_latents_are_found_by_their_hash(folder):
    encode_store(folder, Means(), "abc")
    assert verify_latents(folder) == 1
    np.load(folder / "latents-abc.npy", mmap_mode="r+")[3] = 0
    with pytest.raises(UserError, match=r"latents-abc.npy has changed"):
        verify_latents(folder)

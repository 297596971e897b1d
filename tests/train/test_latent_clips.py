"""Cached latents: what a frame starts from is the same as in play, whole episodes at once."""

import numpy as np
import pytest
import torch
from painter import some_controls, write
from tiny import LATENTS, motion, quick, tokenizer

from worldmodel.data.clips import FrameStore
from worldmodel.data.prepare import prepare
from worldmodel.model.carrier import Carrier
from worldmodel.model.tokenizer import to_float
from worldmodel.train.latents import Carrying, LatentClips, carry_frames, encode_frames

EXACT = quick(bf16=False)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Three episodes of different length."""
    folder = tmp_path_factory.mktemp("three")
    for index, length in enumerate((9, 1, 14)):
        write(folder / "train" / f"{index:06d}", some_controls(length, seed=index), seed=index)
    return FrameStore(prepare(folder, workers=1) / "train")


def carried_through(store, **how):
    """A recording in latents, with what each frame starts from, and what moves it."""
    torch.manual_seed(0)
    tokens, mover = tokenizer().requires_grad_(False), motion(**how).requires_grad_(False)
    latents = encode_frames(store, tokens, EXACT)
    carried = carry_frames(store, latents, tokens, mover, EXACT)
    return LatentClips(store, latents, carried), Carrier(mover, tokens)


@pytest.fixture(scope="module")
def recording(store):
    return carried_through(store)


class Recorded(Carrier):
    """A carrier whose pictures are those of a recording, not the tokenizer's."""

    def __init__(self, carrier, frames):
        super().__init__(carrier.motion, carrier.tokenizer)
        self.frames = iter(to_float(torch.tensor(frames)))

    def picture(self, latent):
        return next(self.frames)[None]


def test_latents_are_the_encoded_frames(recording):
    clips, carrier = recording
    with torch.no_grad():
        encoded = carrier.tokenizer.encode(torch.tensor(clips.store.frames[5:8]))
    np.testing.assert_allclose(clips.latents[5:8], encoded.numpy(), rtol=2e-3, atol=2e-3)


KINDS = [{}, {"offscreen": (1, 2)}, {"momentum": True, "measured": True}]


@pytest.mark.parametrize("how", KINDS)
def test_an_episode_is_carried_as_a_clip_is(store, how):
    clips, carrier = carried_through(store, **how)
    for episode in clips.store.episodes:
        rows = slice(episode.start, episode.stop)
        latents = torch.tensor(clips.latents[rows]).float()[None]
        controls = torch.tensor(clips.store.controls[rows])[None]
        oracle = Recorded(carrier, clips.store.frames[rows]).carry_clip(latents, controls)
        found = clips.carried[rows][..., : oracle.shape[-1]]
        np.testing.assert_allclose(found, oracle[0], rtol=2e-3, atol=2e-3)


def test_a_stopped_encoding_goes_on_with_what_its_episode_has_seen(store):
    """Rows asked for one by one, in any order, are those of one pass."""
    clips, carrier = carried_through(store, offscreen=(1, 2))
    for row in (22, 4, 5, 12):
        found = Carrying(store, clips.latents, carrier, EXACT).rows(slice(row, row + 1))
        np.testing.assert_allclose(found[0], clips.carried[row], rtol=2e-3, atol=2e-3)


def test_what_is_known_is_drawn_beside_what_is_carried(store):
    """More is known with what is off-screen than without; first frames know nothing."""
    plain, _ = carried_through(store)
    wide, _ = carried_through(store, offscreen=(1, 2))
    starts = np.array([0, 11])
    assert plain.known(starts, 9) is None
    known = wide.known(starts, 9)
    assert known.shape == (2, 9, LATENTS) and known.amax() <= 1
    assert not known[0, 0].any() and known[1].mean() > 0.5
    assert wide.draw(starts, 9)[2].shape == plain.draw(starts, 9)[2].shape


def test_first_frames_start_from_nothing(recording):
    clips, _ = recording
    starts = [episode.start for episode in clips.store.episodes]
    assert not clips.carried[starts].any()
    others = np.setdiff1d(np.arange(len(clips.store)), starts)
    assert clips.carried[others].any(axis=(1, 2)).all()


def test_another_motion_network_has_its_own_file(recording):
    clips, carrier = recording
    torch.manual_seed(1)
    other = carry_frames(clips.store, clips.latents, carrier.tokenizer, motion(), EXACT)
    assert not np.array_equal(other, clips.carried)
    again = carry_frames(clips.store, clips.latents, carrier.tokenizer, carrier.motion, EXACT)
    assert np.array_equal(again, clips.carried)


def test_measured_flows_have_their_own_file_too(store):
    """The weights are the same; what they are told is not."""
    guessed, measured = (
        carried_through(store, momentum=True, measured=how)[0].carried for how in (False, True)
    )
    assert not np.array_equal(guessed, measured)


def test_clips_are_drawn_with_and_without_motion(recording):
    clips, _ = recording
    parts = clips.draw(np.array([0, 11]), 4)
    assert [part.shape for part in parts] == [(2, 4, LATENTS, 4), (2, 4, 6), (2, 4, LATENTS, 4)]
    assert all(part.dtype == torch.float32 for part in parts)
    np.testing.assert_array_equal(parts[1][1], clips.store.controls[11:15])
    assert len(LatentClips(clips.store, clips.latents, None).draw(np.array([0]), 4)) == 2

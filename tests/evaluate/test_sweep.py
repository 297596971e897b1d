"""What the sweep says of a setting: a perfect dream and a frozen one have known answers."""

import pytest
import torch
from strip import Reader

from worldmodel.data.clips import ClipSampler, gather
from worldmodel.evaluate.clips import Clips, seeds_at
from worldmodel.evaluate.features import Seen
from worldmodel.evaluate.sweep import KEYS, KID, PSNR, measures, readings

pytestmark = pytest.mark.usefixtures("few_draws")
CONTEXT, HORIZON = 4, 16


@pytest.fixture
def clips(heldout):
    """Clips of the strip; what is judged here needs no latents."""
    length = CONTEXT + HORIZON
    starts = ClipSampler(heldout.episodes, heldout.motion, length=length, seed=0).draw(0, 8)
    frames, controls = (
        torch.from_numpy(gather(array, starts, length))
        for array in (heldout.frames, heldout.controls)
    )
    return Clips(frames, torch.zeros(8, 1), controls, seeds_at(heldout, starts), CONTEXT)


def seen(frames):
    """Mean colours in the place of features, and no distance."""
    flat = frames.flatten(0, 1).float() / 255
    return Seen(flat.mean(dim=(1, 2)), torch.zeros(len(flat)))


def test_a_perfect_dream_and_a_frozen_one(clips):
    still = clips.last.expand_as(clips.truth)
    real = seen(clips.truth)
    perfect = measures(clips, clips.truth, real, real)
    frozen = measures(clips, still, real, seen(still))
    assert perfect[KID].value == 0 and perfect["SSIM"].value == pytest.approx(1, abs=1e-4)
    assert perfect["gradient energy over the real one"].value == 1
    assert frozen[PSNR].value == frozen["PSNR of frame 16 over repeating, moving"].value == 0
    assert perfect[PSNR].value > 20 and frozen["SSIM"].value < 0.9
    assert (perfect["SSIM"].clips, perfect["SSIM"].frames, perfect["SSIM"].seeds) == (8, 128, 3)


def test_keys_are_read_from_every_setting(clips):
    still = clips.last.expand_as(clips.truth)
    found = readings(Reader(), clips, {"perfect": clips.truth, "frozen": still})
    assert found["perfect"][KEYS].value == 1
    assert found["perfect"]["mean F1 of keys"].value > 0.95
    assert found["frozen"][KEYS].value < 0.5


def test_without_a_judge_or_with_too_short_a_past_no_keys_are_read(clips):
    assert readings(None, clips, {"perfect": clips.truth}) == {}
    far = Reader()
    far.config = type("config", (Reader.config,), {"reach": CONTEXT})
    assert readings(far, clips, {"perfect": clips.truth}) == {}

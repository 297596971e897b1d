"""Few looks against a teacher's many."""

import pytest
import torch
from tiny import MOVING_WORLD, motion, tokenizer, world

from worldmodel.data.clips import FrameStore
from worldmodel.model.carrier import Carrier
from worldmodel.train.aside import draw_aside, draw_judged
from worldmodel.train.gaps import MANY, gap_figures


@pytest.fixture(scope="module")
def parts(arrays):
    torch.manual_seed(0)
    tokens, network = tokenizer(), world(MOVING_WORLD)
    return (
        network,
        Carrier(motion(), tokens),
        draw_aside(FrameStore(arrays / "train"), tokens, 3, 4),
    )


def test_a_teacher_is_its_own_student(parts):
    """Its few looks are off by the same twice over, and its many by nothing."""
    network, carrier, clips = parts
    found = gap_figures(network, network, carrier, clips, (2, MANY), warm_start=0.7)
    assert found["gap_2"] == found["teacher_gap_2"] > 0
    assert found[f"gap_{MANY}"] == 0


def test_guidance_is_the_teachers(parts):
    """A student without guidance is off from a guided teacher even in as many looks."""
    network, carrier, clips = parts
    found = gap_figures(network, network, carrier, clips, (MANY,), teacher_guidance=2.0)
    assert found[f"gap_{MANY}"] > 0 and found[f"teacher_gap_{MANY}"] == 0


def test_clips_of_other_episodes_are_others(arrays, parts):
    heldout = FrameStore(arrays / "heldout")
    clips = draw_judged(heldout, heldout.episodes, parts[1].tokenizer, 3, 4)
    assert clips.frames.shape == parts[2].frames.shape
    assert not torch.equal(clips.frames, parts[2].frames)

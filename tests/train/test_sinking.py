"""A contact learns from recordings alone how far a figure has sunk into what it cannot pass."""

import numpy as np
import pytest
import torch
from test_pushing import FIGURE, STOPPED, hall
from tiny import MOTION, motion, quick

from worldmodel.checkpoint import load_motion, save_motion
from worldmodel.errors import UserError
from worldmodel.model.contact import Contact, window_around
from worldmodel.train.contacts import train_contact
from worldmodel.train.objectives.pushing import pushed
from worldmodel.train.objectives.sinking import DEEP, DEEPEST, FARTHEST, Sinking, _Stopped


@pytest.fixture(scope="module")
def halls(tmp_path_factory):
    folder = tmp_path_factory.mktemp("halls")
    hall(folder / "train")
    hall(folder / "heldout")
    return folder


@pytest.fixture(scope="module")
def objective(halls):
    from worldmodel.data.clips import FrameStore

    return Sinking(FrameStore(halls / "train"), FrameStore(halls / "heldout"), quick(batch=12))


def test_a_third_is_pushed_in_and_the_others_have_not_sunk(objective):
    pictures, into = objective.batch(0)
    assert pictures.shape == (12, 3, 16, 48) and into.abs().max() <= FARTHEST
    assert (into[:4, 0] >= 0.5).all() and not into[4:].any() and not into[:, 1].any()
    again = objective.batch(0)
    assert torch.equal(again[0], pictures) and torch.equal(again[1], into)
    assert not torch.equal(objective.batch(1)[0], pictures)


def test_pushed_back_by_what_is_to_be_said_they_are_as_recorded(objective):
    """The two roads: a picture pushed in and out again, and the picture itself."""
    pictures, into = objective.heldout
    at_wall = torch.tensor(objective.heldout_set.store.frames[STOPPED]).permute(2, 0, 1) / 255
    far = into[:, 0] > 4
    half = torch.tensor([24.0, 8.0])
    back, all_of_it = -into[far] / half, torch.ones(int(far.sum()))
    right = pushed(pictures[far], objective.stays, back, all_of_it, onward=-back)
    inside = slice(14, 32)  # where no mirrored edge was pushed in

    def off(these):
        return float((these - at_wall)[..., inside].abs().mean())

    assert off(right) < 0.5 * off(pictures[far])


def test_some_who_stand_are_pushed_deep_and_are_to_come_up_no_faster_than_others():
    standing = _Stopped.__new__(_Stopped)
    standing.stopped = np.tile(np.array([[0, 1]], np.int8), (50, 1))
    standing.rows = [np.arange(50)]
    rows, ways = standing.draw(900, np.random.default_rng(0))
    assert not ways[:, 0].any() and len(rows) == 900
    deep = ways[:, 1] > FARTHEST
    assert float(deep.float().mean()) == pytest.approx(DEEP, abs=0.05)
    assert float(ways.max()) <= DEEPEST * FARTHEST


def test_it_learns_in_a_few_updates(objective):
    torch.manual_seed(0)
    network = Contact(window_around(objective.stays, 20), (16, 48))
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)
    for step in range(120):
        loss, _ = objective.loss(network, objective.batch(step), step)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    figures = objective.validate(network)
    assert figures["seen"] > 0.6 * figures["sunk"] > 1
    assert figures["false"] < 0.2


def test_the_stage_adds_a_contact_and_leaves_all_else(halls, tmp_path):
    mover = motion(offscreen=(1, 2))
    save_motion(tmp_path, mover)
    run = tmp_path / "run"
    train_contact(halls, tmp_path / "motion.safetensors", run, quick(steps=2, bf16=False))
    found = load_motion(run / "motion.safetensors")
    assert found.config.contact == (0, 0, 16, 48)
    assert found.contact.stays[..., *FIGURE].mean() > 0.8
    own = {k: v for k, v in found.state_dict().items() if not k.startswith("contact.")}
    assert all(torch.equal(v, own[k]) for k, v in mover.state_dict().items())
    again = train_contact(halls, run, tmp_path / "again", quick(steps=2, bf16=False))
    assert again.config == found.config  # a motion network that has one gets another


def test_data_without_a_figure_that_is_stopped_are_a_sentence(halls, tmp_path):
    hall(tmp_path / "train", stopped=60)
    hall(tmp_path / "heldout")
    save_motion(tmp_path, motion(offscreen=(1, 2)))
    with pytest.raises(UserError, match="nothing stays on the screen and is stopped"):
        train_contact(tmp_path, tmp_path, tmp_path / "run", quick(steps=2))


def test_data_of_another_size_are_a_sentence(halls, tmp_path):
    from dataclasses import replace

    from worldmodel.model.motion import Motion

    save_motion(tmp_path, Motion(replace(MOTION, grid=(4, 6), offscreen=(1, 2))))
    with pytest.raises(UserError, match=r"frames of \(16, 48\), but .* moves those of \(32, 48\)"):
        train_contact(halls, tmp_path, tmp_path / "run", quick(steps=2))


def test_a_motion_network_that_keeps_nothing_off_screen_is_a_sentence(halls, tmp_path):
    save_motion(tmp_path, motion())
    with pytest.raises(UserError, match="keeps nothing off-screen"):
        train_contact(halls, tmp_path / "motion.safetensors", tmp_path / "run", quick(steps=2))

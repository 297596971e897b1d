"""A contact takes back what of a flow leads the player's figure into a wall."""

from dataclasses import replace

import pytest
import torch
from tiny import LATENTS, MOTION, motion, tokenizer
from torch.utils.flop_counter import FlopCounterMode

from worldmodel.checkpoint import load_motion, save_motion
from worldmodel.evaluate.flops import moving, touching
from worldmodel.model.contact import SLACK, Contact, window_around

SIZE, WINDOW = (16, 48), (2, 14, 12, 20)


def contact(sunk):
    """One that always says the same."""
    found = Contact(WINDOW, SIZE)
    found.stays[..., 4:12, 20:28] = 1
    torch.nn.init.zeros_(found.layers[-1].weight)
    found.layers[-1].bias.data = torch.tensor(sunk)
    return found.requires_grad_(False)


def test_the_flow_of_all_but_the_figure_is_taken_back():
    flow = torch.full((1, 2, 4, 12), 0.25)
    found = contact([3.0 + SLACK, 0.0]).taken_back(torch.tensor([[3.0 + SLACK, 0.0]]), flow)
    away = flow - found
    torch.testing.assert_close(24 * away[0, 0, 0], torch.full((12,), 3.0))
    assert not away[0, 0, 1:3, 5:7].any() and not away[0, 1].any()


def test_who_has_hardly_sunk_is_left_alone():
    flow = torch.randn(1, 2, 4, 12)
    assert torch.equal(contact([0.0, 0.0]).taken_back(torch.tensor([[SLACK, -SLACK]]), flow), flow)


def test_what_is_judged_is_the_moved_picture_around_the_figure():
    mover, seen = motion(contact=WINDOW), []
    mover.contact.forward = lambda pictures: seen.append(pictures) or torch.zeros(1, 2)
    picture = torch.arange(48.0).expand(1, 3, 16, 48) / 48
    flow = torch.zeros(1, 2, 4, 12)
    flow[:, 0] = 4 / 24  # all of it comes from four pixels to the right
    assert torch.equal(mover.held(picture, flow), flow)
    (shown,) = seen
    torch.testing.assert_close(48 * shown[0, 0, 0], torch.arange(18.0, 38.0))


def test_carried_pictures_stop_where_the_contact_says():
    """What is carried along a flow of two pixels to the right is held by a wall after one."""
    mover, tokens = motion(contact=WINDOW), tokenizer()
    picture, latent = torch.rand(1, 3, 16, 48), torch.randn(1, LATENTS, 4)
    given = tokens, latent, latent, picture, torch.zeros(1, MOTION.history, MOTION.controls)
    mover.contact = contact([0.0, 0.0])
    free = mover.carried(*given)[3]
    mover.contact = contact([1.0 + SLACK, 0.0])
    held = mover.carried(*given)[3]
    torch.testing.assert_close(24 * (free - held)[0, 0, 0], torch.ones(12))


def test_without_a_contact_a_flow_is_as_it_is():
    flow = torch.randn(1, 2, 4, 12)
    assert motion().held(torch.rand(1, 3, 16, 48), flow) is flow


def test_a_window_has_all_that_stays_and_a_margin_inside_the_picture():
    stays = torch.zeros(1, 1, 16, 48)
    assert window_around(stays, 4) == (0, 0, 0, 0)
    stays[..., 6:10, 20:25] = 1
    assert window_around(stays, 3) == (3, 17, 10, 11)
    assert window_around(stays, 10) == (0, 10, 16, 25)


def test_it_is_saved_and_read_with_its_motion_network(tmp_path):
    mover = motion(contact=WINDOW)
    mover.contact = contact([2.0, 0.0])
    save_motion(tmp_path, mover)
    again = load_motion(tmp_path / "motion.safetensors")
    assert again.config == replace(MOTION, contact=WINDOW)
    assert torch.equal(again.contact.stays, mover.contact.stays)
    flow = torch.randn(1, 2, 4, 12)
    assert torch.equal(again.held(flow.new_zeros(1, 3, 16, 48), flow),
                       mover.held(flow.new_zeros(1, 3, 16, 48), flow))  # fmt: skip


@pytest.mark.parametrize("window", [WINDOW, (0, 0, 7, 9)])
def test_the_formula_counts_what_pytorch_counts(window):
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        Contact(window, SIZE)(torch.rand(1, 3, *window[2:]))
    assert touching(window) == counter.get_total_flops()
    assert moving(replace(MOTION, contact=window)) == moving(MOTION) + touching(window)

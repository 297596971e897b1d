"""A contact takes back what of a flow leads the player's figure into a wall."""

from dataclasses import replace

import pytest
import torch
from tiny import MOTION, motion
from torch.utils.flop_counter import FlopCounterMode

from worldmodel.checkpoint import load_motion, save_motion
from worldmodel.errors import UserError
from worldmodel.evaluate.flops import moving, touching
from worldmodel.model import offscreen
from worldmodel.model.contact import SLACK, Contact, window_around
from worldmodel.model.scrolling import scrolled

SIZE, WINDOW, MARGIN = (16, 48), (2, 14, 12, 20), (8, 16)


def contact(sunk):
    """One that always says the same."""
    found = Contact(WINDOW, SIZE)
    found.stays[..., 4:12, 20:28] = 1
    torch.nn.init.zeros_(found.layers[-1].weight)
    found.layers[-1].bias.data = torch.tensor(sunk)
    return found.requires_grad_(False)


def test_what_has_sunk_is_to_come_back_but_for_what_is_let_be():
    back = contact([3.0 + SLACK, -SLACK]).back(torch.rand(1, 3, 12, 20))
    assert back.shape == (1, 2, 1, 1)
    assert (24 * back[0, 0]).item() == pytest.approx(3) and not back[0, 1].any()


def test_what_is_judged_is_the_moved_picture_around_the_figure():
    """All but the figure comes from four pixels to the right."""
    seen, touching = [], contact([0.0, 0.0])
    touching.forward = lambda pictures: seen.append(pictures) or torch.zeros(1, 2)
    picture = torch.arange(48.0).expand(1, 3, 16, 48) / 48
    moved(touching, picture, 4.0)
    (shown,) = seen
    torch.testing.assert_close(48 * shown[0, 0, 0], torch.arange(18.0, 38.0))
    torch.testing.assert_close(48 * shown[0, 0, 6, 7:13], torch.arange(21.0, 27.0))  # the figure


def test_carried_pictures_stop_where_the_contact_says():
    """What is carried along a flow of four pixels to the right is held by a wall after three."""
    picture = torch.rand(1, 3, 16, 48)
    free, held = (
        moved(contact([sunk, 0.0]), picture, 4.0) for sunk in (0.0, 1.0 + SLACK)
    )  # fmt: skip
    torch.testing.assert_close(24 * (free.behind - held.behind)[0, 0], torch.ones(4, 12))
    torch.testing.assert_close(free.way - held.way, torch.tensor([[1.0, 0.0]]))


def moved(touching, picture, pixels):
    """A picture [1 3 H W], moved on by so many pixels to the right."""
    around, flow = offscreen.nothing(picture, SIZE, MARGIN), torch.zeros(1, 2, 4, 12)
    flow[:, 0] = 2 * pixels / SIZE[1]
    return scrolled(touching, MARGIN, picture, around, torch.zeros(1, 2), flow)


def test_a_contact_needs_an_off_screen_memory():
    with pytest.raises(UserError, match="set offscreen too"):
        motion(contact=WINDOW)


def test_a_window_has_all_that_stays_and_a_margin_inside_the_picture():
    stays = torch.zeros(1, 1, 16, 48)
    assert window_around(stays, 4) == (0, 0, 0, 0)
    stays[..., 6:10, 20:25] = 1
    assert window_around(stays, 3) == (3, 17, 10, 11)
    assert window_around(stays, 10) == (0, 10, 16, 25)


def test_it_is_saved_and_read_with_its_motion_network(tmp_path):
    mover = motion(contact=WINDOW, offscreen=(1, 2))
    mover.contact = contact([2.0, 0.0])
    save_motion(tmp_path, mover)
    again = load_motion(tmp_path / "motion.safetensors")
    assert again.config == replace(MOTION, contact=WINDOW, offscreen=(1, 2))
    assert torch.equal(again.contact.stays, mover.contact.stays)
    shown = torch.rand(1, 3, *WINDOW[2:])
    assert torch.equal(again.contact.back(shown), mover.contact.back(shown))


@pytest.mark.parametrize("window", [WINDOW, (0, 0, 7, 9)])
def test_the_formula_counts_what_pytorch_counts(window):
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        Contact(window, SIZE)(torch.rand(1, 3, *window[2:]))
    assert touching(window) == counter.get_total_flops()
    kept = replace(MOTION, offscreen=(1, 2))
    assert moving(replace(kept, contact=window)) == moving(kept) + touching(window)

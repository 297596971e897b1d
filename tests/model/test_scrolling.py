"""A level that scrolls moves as one piece, and stays as sharp as it was when it was first seen."""

import pytest
import torch
from tiny import LATENTS, MOVING_WORLD, motion, tokenizer, world

from worldmodel.diffusion.rollout import prefill, rollout
from worldmodel.model import figure, offscreen
from worldmodel.model.carrier import Carrier
from worldmodel.model.scrolling import as_one, renewed, scrolled, seen_anew

SIZE, MARGIN, WINDOW = (16, 48), (8, 16), (2, 14, 12, 20)
FIGURE = (..., slice(4, 12), slice(20, 28))
STILL = torch.zeros(1, 2), torch.zeros(1, 1, *SIZE)  # no lag, no figure
HALF = torch.tensor([24.0, 8.0]).view(1, 2, 1, 1)


@pytest.fixture
def mover():
    """A motion network whose contact never says that anything has sunk."""
    found = motion(contact=WINDOW, offscreen=(1, 2), momentum=True).requires_grad_(False)
    torch.nn.init.zeros_(found.contact.layers[-1].weight)
    torch.nn.init.zeros_(found.contact.layers[-1].bias)
    found.contact.stays[FIGURE] = 1
    return found


def paint(width):
    """Stripes and blots [1 3 16 width] that can be told apart."""
    draw = torch.Generator().manual_seed(0)
    return (
        torch.rand(1, 3, 4, width // 4, generator=draw)
        .repeat_interleave(4, 2)
        .repeat_interleave(4, 3)
    )


def run(mover, level, ways):
    """Views [1 3 16 48] of a player who runs through a level, nothing of it painted anew, and what
    is kept of the last."""
    white = torch.ones(1, 3, *SIZE)
    stays = mover.contact.stays

    def with_figure(view):
        return view + stays * (white - view)

    picture, lag = with_figure(level[..., : SIZE[1]]), torch.zeros(1, 2)
    around, views = offscreen.nothing(picture, SIZE, MARGIN), []
    for way in ways:
        flow = torch.tensor([way, 0.0]).view(1, 2, 1, 1).expand(1, 2, 4, 12) / HALF
        found = scrolled(mover.contact, MARGIN, picture, around, lag, flow)
        around, lag = offscreen.shifted(found.whole, found.way + lag)
        picture = found.view[:, :3]
        views.append(found.view)
    return views, around, lag


def test_what_the_figure_ran_in_front_of_is_there_again_behind_it(mover):
    level = paint(96)
    views, *_ = run(mover, level, [2.0] * 12)  # 24 pixels: he began between 20 and 28
    there = slice(8, 19)
    torch.testing.assert_close(views[-1][:, :3, :, there], level[..., 32:43])
    assert views[-1][:, 3, :, there].eq(1).all() and views[-1][:, :3][FIGURE].eq(1).all()


def test_fractions_of_pixels_never_add_up_to_a_blur(mover):
    """Forty frames of 0.4 pixels are sixteen pixels: the view is what it would be at once."""
    level = paint(96)
    views, around, lag = run(mover, level, [0.4] * 40)
    assert lag.abs().max() < 1e-3
    for found in (views[-1], offscreen.middle(around, MARGIN)):
        shown = found[:, :3, :, 13:19]  # from the right of where he began, to the left of him
        torch.testing.assert_close(shown, level[..., 29:35])
        torch.testing.assert_close(found[:, :3, :, :2], level[..., 16:18])


def test_all_goes_one_way_though_a_network_cannot_say_which():
    """It half believes that the player falls: one part of a wall must not rise past the other."""
    picture, clear = paint(48), torch.ones(1, 1, *SIZE)
    pixels = torch.full((1, 2, 4, 12), 2.0) + 0.3 * torch.randn(1, 2, 4, 12)
    pixels[..., :3] = -9.0
    flow, way = as_one(pixels / HALF, picture, clear)
    torch.testing.assert_close(flow * HALF, way[..., None, None].expand_as(flow))
    assert (way - 2).abs().max() < 0.3


def test_a_stripe_that_is_pushed_along_itself_does_not_tell_that_it_stands_still():
    """Two thirds of the picture are stripes that seem to stand still; one third runs."""
    picture = torch.zeros(1, 3, *SIZE)
    picture[..., ::2, :32] = 1
    picture[..., 32:] = paint(16)
    pixels = torch.zeros(1, 2, 4, 12)
    pixels[:, 0, :, 8:] = 3
    _, way = as_one(pixels / HALF, picture, torch.ones(1, 1, *SIZE))
    torch.testing.assert_close(way, torch.tensor([[3.0, 0.0]]))


def test_what_is_kept_changes_only_where_the_picture_does():
    kept = torch.cat([paint(48), torch.ones(1, 1, *SIZE)], dim=1)
    picture = kept.clone()
    picture[:, :3, :, :24] += 0.02  # colours drift a little, and something else comes
    picture[:, :3, :, 40:] = 1 - picture[:, :3, :, 40:].round()
    found = renewed(kept, picture, *STILL)
    assert torch.equal(found[..., :24], kept[..., :24])
    assert (found - kept)[..., 40:].abs().mean() > 0.1
    unseen = renewed(torch.zeros_like(kept), picture, *STILL)
    torch.testing.assert_close(unseen, picture.clamp(0, 1))


def test_of_a_frame_that_was_not_dreamed_only_what_the_figure_hides_is_kept(mover):
    whole, stays = torch.ones(1, 4, 32, 80), mover.contact.stays
    found = seen_anew(whole, stays, MARGIN)
    assert torch.equal(offscreen.middle(found, MARGIN)[:, 3:], figure.beside(stays))
    assert found[..., :16].eq(1).all() and whole.eq(1).all()


def test_a_frame_that_was_not_dreamed_is_sampled_once(mover):
    """Whatever what is off-screen lags by, its view is that of the frame itself."""
    picture, stays = paint(48), mover.contact.stays
    around = seen_anew(torch.rand(1, 4, 32, 80), stays, MARGIN)
    flow = torch.tensor([0.4, 0.0]).view(1, 2, 1, 1).expand(1, 2, 4, 12) / HALF
    given = mover.contact, MARGIN, picture, around
    still, late = (scrolled(*given, torch.full((1, 2), by), flow) for by in (0.0, 0.45))
    assert torch.equal(late.view, still.view)


def test_a_dream_of_several_players_is_that_of_each_alone(mover):
    network = world(MOVING_WORLD).requires_grad_(False)
    carrier = Carrier(mover, tokenizer().requires_grad_(False))
    latents, noise = torch.randn(2, 2, 3, LATENTS, 4).unbind(0)
    controls = torch.randint(0, 2, (2, 6, 6)).float()

    def dream(players):
        cache = network.empty_cache(len(players))
        prefill(network, cache, latents[players], controls[players, :3], carrier)
        how = {"carrier": carrier, "times": (0.0, 0.5, 1.0), "warm_start": 0.7}
        return rollout(network, cache, controls[players, 3:], noise[players], **how)

    both, alone = dream([0, 1]), torch.cat([dream([0]), dream([1])])
    torch.testing.assert_close(both, alone, rtol=1e-3, atol=1e-3)

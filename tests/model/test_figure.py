"""The player's figure is lifted off before a picture is moved, and put back after that."""

import torch

from worldmodel.model import figure

SIZE, FIGURE = (24, 48), (..., slice(8, 16), slice(20, 26))


def stays():
    found = torch.zeros(1, 1, *SIZE)
    found[FIGURE] = 1
    return found


def drawn_over(picture):
    """A picture with a white figure on it."""
    return picture + stays() * (1 - picture)


def test_what_lies_behind_the_figure_is_what_was_seen_before():
    picture = 0.5 * torch.rand(1, 3, *SIZE)
    kept = torch.cat([picture, torch.ones_like(picture[:, :1])], dim=1)
    there, lifted = figure.lifted(drawn_over(picture), kept, stays())
    torch.testing.assert_close(there[:, :3], picture)
    assert there[:, 3].eq(1).all()
    assert torch.equal(lifted[:, 3:], stays())


def test_what_nobody_has_seen_behind_it_is_not_known_and_guessed_from_around():
    picture = torch.full((1, 3, *SIZE), 0.25)
    there, _ = figure.lifted(drawn_over(picture), torch.zeros(1, 4, *SIZE), stays())
    torch.testing.assert_close(there[:, :3], picture)
    assert torch.equal(there[:, 3:], 1 - figure.beside(stays()))


def test_where_limbs_may_be_is_the_figure_only_what_differs_from_what_lies_behind():
    may = stays()
    may[..., 14:16, 20:26] = 0.5
    picture = torch.full((1, 3, *SIZE), 0.25)
    kept = torch.cat([picture, torch.ones_like(picture[:, :1])], dim=1)
    shown = drawn_over(picture)
    shown[..., 14:16, 23:26] = 0.25  # one leg is lifted
    _, lifted = figure.lifted(shown, kept, may)
    assert lifted[0, 3, 14:16, 20:23].eq(1).all() and not lifted[0, 3, 14:16, 23:26].any()
    assert lifted[0, 3, 8:14, 20:26].eq(1).all()


def test_it_does_not_fade_before_a_sky_of_nearly_its_colour_and_can_turn_round():
    white = torch.ones(1, 3, *SIZE)
    pale, dark = 0.9 * white, 0.2 * white
    kept, turned = (figure.held(new, new, white, stays()) for new in (pale, dark))
    assert kept[FIGURE].min() > 0.98 and turned[FIGURE].max() < 0.25
    assert torch.equal(kept[..., :18], pale[..., :18])


def test_put_back_it_is_where_it_was_and_known():
    moved, shown = torch.rand(1, 4, *SIZE), torch.rand(1, 3, *SIZE)
    both = figure.put_back(moved, torch.cat([shown, stays()], dim=1))
    assert torch.equal(both[:, :3][FIGURE], shown[FIGURE]) and both[:, 3:][FIGURE].eq(1).all()
    assert torch.equal(both[..., :18], moved[..., :18])


def test_the_flow_behind_it_is_that_of_what_is_around():
    flow = torch.full((1, 2, 6, 12), 0.25)
    flow[..., 2:4, 5:7] = 0  # the figure stays
    flow[..., 1:5, 4:8] *= 0.5  # and a smooth flow is slow beside it
    torch.testing.assert_close(figure.behind(flow, stays()), torch.full((1, 2, 6, 12), 0.25))


def test_a_frame_is_filled_with_what_goes_on_best_beside_the_figure():
    """Sky to the left of the figure and above it, and a wall to the right."""
    picture = torch.zeros(1, 3, *SIZE)
    picture[:, 2] = 1
    wall = picture.clone()
    wall[..., 30:] = 0.5
    filled = figure.filled(drawn_over(wall), stays())
    torch.testing.assert_close(filled, wall)

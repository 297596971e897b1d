"""Off-screen memory: what left the picture comes back, and only what was seen is known."""

from dataclasses import replace

import pytest
import torch
from tiny import LATENTS, MOVING_WORLD, TOKENIZER, clip, motion, tokenizer, world

from worldmodel.errors import UserError
from worldmodel.model import offscreen
from worldmodel.model.cache import join, split
from worldmodel.model.carrier import Carrier
from worldmodel.model.motion import MotionConfig
from worldmodel.model.warp import centres, inside, sources

SIZE, MARGIN = (TOKENIZER.height, TOKENIZER.width), (8, 16)  # pixels
CLOSE = {"rtol": 1e-4, "atol": 1e-4}


@pytest.fixture
def carrier():
    return Carrier(
        motion(offscreen=(1, 2)).requires_grad_(False), tokenizer().requires_grad_(False)
    )


@pytest.fixture
def network():
    return world(MOVING_WORLD).requires_grad_(False)


def pushed(right, down):
    """The flow [1 2 4 12] that looks `right` and `down` pixels further on, everywhere."""
    way = torch.tensor([2 * right / SIZE[1], 2 * down / SIZE[0]])
    return way.view(1, 2, 1, 1).expand(1, 2, 4, 12)


def seen(picture, *ways):
    """What is in view [4 H W] after a picture has been moved, again and again, and what is then
    around it [1 4 H' W']; nothing is painted."""
    mover, around = motion(offscreen=(1, 2)), offscreen.nothing(picture, SIZE, MARGIN)
    lag = torch.zeros(1, 2)
    for way in ways:
        whole = offscreen.around(picture, around, MARGIN)
        view = mover.move(whole, pushed(*way))
        around, lag = offscreen.shifted(whole, mover.middle(pushed(*way)) + lag)
        picture = view[:, :3]
    return view[0], around


@pytest.mark.parametrize("way", [(16, 0), (-16, 0), (0, 8), (0, -8), (16, -8)])
def test_what_left_the_picture_comes_back(way):
    picture = torch.rand(1, 3, *SIZE)
    there, _ = seen(picture, way, tuple(-step for step in way))
    torch.testing.assert_close(there[:3], picture[0], **CLOSE)
    assert there[3].eq(1).all()


def test_what_nobody_has_seen_is_not_known_and_looks_like_the_edge():
    picture = torch.rand(1, 3, *SIZE)
    there, _ = seen(picture, (12, 0))
    assert there[3, :, :36].eq(1).all() and there[3, :, 36:].eq(0).all()
    torch.testing.assert_close(there[:3, :, 36:], picture[0, :, :, -1:].expand(-1, -1, 12))


def test_what_is_further_off_than_the_margin_is_forgotten():
    picture = torch.rand(1, 3, *SIZE)
    there, _ = seen(picture, (16, 0), (16, 0), (-16, 0), (-16, 0))
    assert there[3, :, :16].eq(0).all() and there[3, :, 16:].eq(1).all()


def test_a_new_picture_hides_what_was_in_its_place():
    old, new = torch.rand(2, 1, 3, *SIZE).unbind(0)
    whole = offscreen.around(new, seen(old, (16, 0))[1], MARGIN)
    assert torch.equal(offscreen.middle(whole, MARGIN)[:, :3], new)
    left = (slice(None), slice(None), slice(8, 24), slice(16))
    torch.testing.assert_close(whole[left][:, :3], old[..., :16], **CLOSE)


def test_a_picture_may_tell_what_of_it_is_known():
    picture = torch.rand(1, 4, *SIZE).round()
    whole = offscreen.around(picture, offscreen.nothing(picture, SIZE, MARGIN), MARGIN)
    assert torch.equal(offscreen.middle(whole, MARGIN), picture)


def test_what_is_dreamed_beside_a_picture_leaves_what_is_in_view():
    dreamed, old = torch.rand(2, 1, 4, 32, 80).unbind(0)
    both = offscreen.beside(dreamed, old, MARGIN)
    assert torch.equal(offscreen.middle(both, MARGIN), offscreen.middle(old, MARGIN))
    assert torch.equal(both[..., :16], dreamed[..., :16])


def test_what_is_off_screen_moves_by_whole_pixels_and_is_as_sharp_as_it_was():
    """Forty frames of 0.4 pixels are sixteen pixels; what has left is then there to the bit."""
    picture = torch.rand(1, 3, *SIZE)
    _, around = seen(picture, (4, 0), *[(0.3, 0)] * 40)
    assert torch.equal(around[:, :3, 8:24, :4], picture[..., :4])


def test_what_is_off_screen_keeps_up_with_the_flow():
    whole, lag = torch.zeros(1, 4, 32, 80), torch.zeros(1, 2)
    whole[:, :, :, 70] = 1
    way = motion(offscreen=(1, 2)).middle(pushed(0.37, -0.02))
    for _ in range(100):
        whole, lag = offscreen.shifted(whole, way + lag)
    assert whole[0, 3, 4].nonzero().tolist() == [[33]]
    assert (lag.abs() <= 0.5).all()


def turned(x, y):
    """What turning by x and nodding by y pixels at the picture's middle does [1 2 4 12], in pixels,
    at a field of view of ninety degrees."""
    right, down = centres(4, 12)[0]
    down = SIZE[0] / SIZE[1] * down
    across = x * (1 + right**2) + y * right * down
    return torch.stack([across, y * (1 + down**2) + x * right * down])[None]


def test_a_turn_goes_not_astray_and_a_step_forward_does():
    turns = offscreen.turns((4, 12), SIZE[0] / SIZE[1])
    assert offscreen.astray(turned(9.0, -4.0), turns) < 1e-4
    forward = 3 * centres(4, 12)
    assert offscreen.astray(forward, turns) > 1
    both = offscreen.astray(torch.cat([turned(9.0, 1.0) + forward, forward]), turns)
    torch.testing.assert_close(both[0], both[1])


def test_what_is_off_screen_is_forgotten_when_the_flow_has_gone_astray():
    """A quarter of what can be believed is used up in each frame."""
    mover, forward = motion(offscreen=(1, 2)), 0.1 * centres(4, 12)
    half = torch.tensor([SIZE[1] / 2, SIZE[0] / 2]).view(1, 2, 1, 1)
    gone = float(offscreen.astray(forward * half, mover.turns))
    mover.config = replace(mover.config, astray=4 * gone + 1e-3)
    whole, lag, seen = torch.ones(1, 4, 32, 80), torch.zeros(1, 2), []
    for _ in range(6):
        whole, lag = offscreen.shifted(mover.believed(whole, forward), mover.middle(forward) + lag)
        seen.append(float(whole[0, 3, 16, 40]))
    assert seen == pytest.approx([7 / 8, 6 / 8, 5 / 8, 4 / 8, 0, 0], abs=1e-3)
    whole, turn = torch.ones(1, 4, 32, 80), turned(0.01, 0.0) / half
    for _ in range(9):
        whole, lag = offscreen.shifted(mover.believed(whole, turn), mover.middle(turn) + lag)
    assert whole[0, 3, 16, 40] == pytest.approx(1, abs=1e-3)


def test_players_are_shifted_each_their_own_way():
    wholes = torch.rand(3, 4, 8, 10)
    ways = torch.tensor([[2.0, 0.0], [-3.0, 1.0], [40.0, 0.0]])
    together, _ = offscreen.shifted(wholes, ways)
    for i in range(3):
        assert torch.equal(
            together[i : i + 1], offscreen.shifted(wholes[i : i + 1], ways[i : i + 1])[0]
        )
    assert torch.equal(together[0, :, :, :8], wholes[0, :, :, 2:])
    assert together[0, :, :, 8:].eq(0).all() and together[2].eq(0).all()


def test_in_view_the_flow_is_that_of_the_picture():
    """With a margin or without one, what was in the picture is taken from the same places."""
    flow, picture = 0.1 * torch.randn(1, 2, 4, 12), torch.rand(1, 3, *SIZE)
    whole = offscreen.around(picture, offscreen.nothing(picture, SIZE, MARGIN), MARGIN)
    kept, plain = motion(offscreen=(1, 2)).move(whole, flow), motion().move(picture, flow)
    known = inside(sources(flow, SIZE))
    torch.testing.assert_close(kept[:, :3] * known, plain * known, **CLOSE)
    assert torch.equal(kept[:, 3:], known)


def filled(network, carrier, latents, controls):
    """A cache that has seen frames, and what each of them started from."""
    cache, starts = network.empty_cache(len(latents)), []
    for i in range(latents.shape[1]):
        start = carrier.carry(cache, controls[:, i])
        picture = carrier.picture(latents[:, i])
        level = torch.ones(len(latents))
        network.commit(latents[:, i], level, controls[:, i], cache, start, picture)
        starts.append(start)
    return cache, starts


def test_a_cache_remembers_what_a_clip_has_seen(network, carrier):
    latents, _, controls = clip(frames=9)
    _, starts = filled(network, carrier, latents, controls)
    whole = carrier.carry_clip(latents, controls)
    for i, start in enumerate(starts):
        torch.testing.assert_close(start.latents[:, 0], whole[:, i], **CLOSE)
    assert not starts[0].known.any() and starts[1].known.any()


def turns(mover, ways):
    """Has a motion network move frames as told, one after the other."""
    way = iter(ways)
    mover.forward = lambda latent, *rest: next(way).expand(len(latent), -1, -1, -1)


def test_more_is_known_with_it_than_without(network, carrier):
    """Who looks aside and back again knows all of the picture, not only the half that stayed."""
    plain = Carrier(motion().requires_grad_(False), carrier.tokenizer)
    latents, _, controls = clip(frames=3)
    for each, share in ((carrier, 1), (plain, 0.75)):
        turns(each.motion, [pushed(12, 0), pushed(-12, 0)])
        _, starts = filled(network, each, latents, controls)
        assert starts[-1].known.mean() == pytest.approx(share)


def test_players_share_a_batch_and_keep_what_each_has_seen(network, carrier):
    latents, _, controls = clip(batch=2, frames=7)
    alone = [filled(network, carrier, latents[i : i + 1], controls[i : i + 1])[0] for i in (0, 1)]
    together = join(alone)
    both = carrier.carry(together, controls[:, 0])
    for i, cache in enumerate(split(together)):
        own = carrier.carry(cache, controls[i : i + 1, 0])
        torch.testing.assert_close(both.picture[i], own.picture[0], **CLOSE)
        torch.testing.assert_close(both.offscreen[i], own.offscreen[0], **CLOSE)
        torch.testing.assert_close(both.known[i], own.known[0], **CLOSE)
    assert together.memory.offscreen.shape == (2, 4, 32, 80)
    assert both.latents.shape == (2, 1, LATENTS, 4)


def test_sizes_below_nothing_are_refused_in_a_sentence():
    with pytest.raises(UserError, match="offscreen and astray at least 0"):
        MotionConfig(offscreen=(0, -1))


def test_at_rest_nothing_creeps_however_long(network):
    """A flow of a third of a pixel, again and again: the player who holds no key stays exactly
    where he is, with all that is around him; the other one has gone on."""
    mover = motion(offscreen=(1, 2), detail=True).requires_grad_(False)
    carrier = Carrier(mover, tokenizer().requires_grad_(False))
    latents, _, controls = clip(batch=2, frames=5)
    controls[:, 2:] = 0  # for as long as motion remembers
    cache, _ = filled(network, carrier, latents, controls)
    begun, keys = cache.memory, torch.tensor([[0.0], [1.0]]).expand(-1, 6)
    turns(mover, [pushed(1 / 3, 0)] * 9)
    for _ in range(9):
        start = carrier.carry(cache, keys, rest=0.5)
        latent = torch.where(
            keys[:, :1, None] == 0, cache.memory.latent, torch.randn(2, LATENTS, 4)
        )
        picture = carrier.picture(latent, start)
        network.commit(latent, torch.ones(2), keys, cache, start, picture)
    assert start.moves[0] == 0 and start.moves[1] > 0
    for name in ("picture", "latent", "offscreen", "lag"):
        stood, went = zip(vars(begun)[name], vars(cache.memory)[name], strict=True)
        assert torch.equal(*stood) and (name == "lag" or not torch.equal(*went)), name


def test_who_has_just_let_go_goes_on_as_slowly_as_he_does(network):
    """A jump slows down before it falls: only long after the last key a small flow is none."""
    mover = motion(offscreen=(1, 2), detail=True).requires_grad_(False)
    carrier = Carrier(mover, tokenizer().requires_grad_(False))
    latents, _, controls = clip(batch=1, frames=4)
    controls[:] = torch.tensor([1.0, 1.0, 0.0, 0.0])[None, :, None]
    cache, _ = filled(network, carrier, latents, controls)
    turns(mover, [pushed(1 / 3, 0)] * 2)
    none = torch.zeros(1, 6)  # motion remembers three controls: this one and two of these
    assert carrier.carry(cache, none, rest=0.5).moves == 0
    cache.restore(replace(cache.memory, recent=cache.memory.recent.roll(1, dims=1)))
    assert carrier.carry(cache, none, rest=0.5).moves > 0


def test_what_is_not_shifted_is_still_a_copy():
    """What is given may lie where the next frame's will (worldmodel.play.graph lends it)."""
    whole = torch.rand(1, 4, 6, 8)
    found, lag = offscreen.shifted(whole, torch.tensor([[0.4, -0.2]]))
    assert torch.equal(found, whole) and found.data_ptr() != whole.data_ptr()
    torch.testing.assert_close(lag, torch.tensor([[0.4, -0.2]]))

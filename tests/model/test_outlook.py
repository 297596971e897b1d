"""Outlook: what nobody has seen beside the picture is dreamed, and nothing else is touched."""

from dataclasses import replace

import pytest
import torch
from tiny import LATENTS, MOVING_WORLD, TOKENIZER, clip, motion, outpainter, tokenizer, world

from worldmodel.diffusion.samplers import sample_renoise
from worldmodel.diffusion.schedules import even_times
from worldmodel.model import layers, offscreen
from worldmodel.model.carrier import Carrier
from worldmodel.model.outlook import Outlook

SIZE, MARGIN = (TOKENIZER.height, TOKENIZER.width), (0, 24)  # pixels
TOKENS = LATENTS // 4  # of a frame
LEFT, MIDDLE, RIGHT = slice(24), slice(24, 72), slice(72, 96)


@pytest.fixture
def outlook():
    return Outlook(outpainter().requires_grad_(False), tokenizer().requires_grad_(False), MARGIN)


def noise(count=1):
    return torch.randn(count, LATENTS, 4)


def unseen(count=1):
    """Wholes [b 4 16 96] of players who have just begun."""
    pictures = torch.rand(count, 3, *SIZE)
    return offscreen.around(pictures, offscreen.nothing(pictures, SIZE, MARGIN), MARGIN)


def opening(count=1):
    return torch.rand(count, 3, *SIZE)


def known(whole, player=0):
    """Which of left, middle and right are known in a whole."""
    return [bool(whole[player, 3, :, part].eq(1).all()) for part in (LEFT, MIDDLE, RIGHT)]


def test_one_side_after_the_other_is_dreamed_and_then_there_is_peace(outlook):
    whole = unseen()
    first = outlook(whole, noise(), opening())
    assert known(whole) == [False, True, False] and sum(known(first)) == 2
    second = outlook(first, noise(), opening())
    assert known(second) == [True] * 3
    assert outlook(second, noise(), opening()) is second
    assert [outlook.wanted(each) for each in (whole, first, second)] == [True, True, False]


def test_it_can_be_asked_before_the_picture_is_laid_into_the_whole(outlook):
    empty = offscreen.nothing(torch.rand(1, 3, *SIZE), SIZE, MARGIN)
    assert outlook.wanted(empty)
    beside = unseen()
    beside[:, 3, :, LEFT] = beside[:, 3, :, RIGHT] = 1
    beside[:, 3, :, MIDDLE] = 0
    assert not outlook.wanted(beside)


def test_what_has_been_seen_stays_as_it_was(outlook):
    whole = unseen()
    whole[0, :3, 4:9, 80:90], whole[0, 3, 4:9, 80:90] = 0.5, 1
    found = outlook(outlook(whole, noise(), opening()), noise(), opening())
    before = whole[:, 3:].expand(-1, 3, -1, -1) > 0
    assert torch.equal(found[:, :3][before], whole[:, :3][before])
    assert not torch.equal(found[:, :3][~before], whole[:, :3][~before])


def test_the_side_of_which_least_is_known_comes_first(outlook):
    whole = unseen()
    whole[0, 3, :, 12:24] = 1  # 12 of the 16 pixels to the left are enough
    assert known(outlook(whole, noise(), opening())) == [False, True, True]
    whole[0, 3, :, RIGHT] = 1
    assert outlook(whole, noise(), opening()) is whole


def test_each_player_has_his_own_side_dreamed_from_his_own_noise(outlook):
    wholes, drawn, openings = unseen(3), noise(3), opening(3)
    wholes[1, 3, :, LEFT] = 1
    wholes[2, 3] = 1
    together = outlook(wholes, drawn, openings)
    for i in range(3):
        alone = outlook(*(part[i : i + 1] for part in (wholes, drawn, openings)))
        torch.testing.assert_close(together[i : i + 1], alone, rtol=1e-4, atol=1e-4)
    assert torch.equal(together[2], wholes[2])


@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_it_is_dreamed_by_the_sampler_of_consistency_models(outlook, guidance, monkeypatch):
    """By two roads: the loop in it, and the sampler of which it is a copy; the first looks guided
    by the network whose tokens attend to nothing, which is one whose attention is replaced."""
    window, drawn, begun = torch.rand(1, 4, *SIZE), noise(), opening()
    window[:, 3] = (torch.arange(48) < 30).float()
    painter = outlook.outpainter
    painter.config = replace(painter.config, guidance=guidance)
    start, share = painter.begun(outlook.tokenizer, window[:, :3], window[:, 3:])
    opened = painter.opened(outlook.tokenizer, begun)

    def denoise(z, tau, jump):
        clear = painter(z, torch.full((1,), tau), start, share, *opened)
        if tau > 0.5:
            return clear
        with monkeypatch.context() as patch:
            patch.setattr(
                layers, "attention", lambda query, key, value, mask=None: value[..., -TOKENS:, :]
            )
            blind = painter(z, torch.full((1,), tau), start, share)
        return blind + guidance * (clear - blind)

    painted = outlook.paint(window, drawn, begun)
    found = sample_renoise(denoise, drawn, even_times(3), lambda i: drawn.roll(37 * (i + 1), 1))
    found = outlook.tokenizer.pictures(outlook.tokenizer.clamp(found)).clamp(0, 1)
    torch.testing.assert_close(painted[..., 30:][:, :3], found[..., 30:], rtol=1e-4, atol=1e-4)
    assert torch.equal(painted[..., :30][:, :3], window[..., :30][:, :3])


def test_the_picture_that_the_dream_began_with_changes_what_is_dreamed(outlook):
    window, drawn = torch.rand(1, 4, *SIZE), noise()
    window[:, 3] = (torch.arange(48) < 30).float()
    found = [outlook.paint(window, drawn, opening()) for _ in range(2)]
    assert not torch.equal(*found)
    painter = outlook.outpainter
    painter.config = replace(painter.config, opening=False)
    blind = [outlook.paint(window, drawn, opening()) for _ in range(2)]
    assert torch.equal(*blind) and not torch.equal(blind[0], found[0])


def test_sides_that_are_not_kept_are_not_dreamed():
    for margin, sides in (((0, 8), 0), ((0, 24), 2), ((16, 24), 2)):
        assert len(Outlook(outpainter(), tokenizer(), margin).windows) == sides


def test_a_carrier_dreams_ahead_when_it_is_given_noise():
    """A frame that turns aside then starts from a picture of which all is known."""
    mover = motion(offscreen=(0, 3)).requires_grad_(False)
    way = torch.tensor([2 * 12 / SIZE[1], 0.0]).view(1, 2, 1, 1).expand(1, 2, 4, 12)
    mover.forward = lambda *given: way
    carrier = Carrier(mover, tokenizer().requires_grad_(False), outpainter().requires_grad_(False))
    network, (latents, _, controls) = world(MOVING_WORLD), clip(batch=1, frames=2)
    cache = network.empty_cache()
    start = carrier.carry(cache, controls[:, 0], noise())
    with torch.no_grad():
        network.commit(
            latents[:, 0],
            torch.ones(1),
            controls[:, 0],
            cache,
            start,
            carrier.picture(latents[:, 0]),
        )
    shares = []
    for given in (None, noise(), noise()):
        start = carrier.carry(cache, controls[:, 1], given)
        shares.append(float(start.known.mean()))
        memory = replace(cache.memory, offscreen=start.offscreen[:, 0])
        cache.restore(memory)
    assert shares == [0.75, pytest.approx(shares[1]), 1.0]

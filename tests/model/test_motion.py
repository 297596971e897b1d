"""Motion: pictures go where the flow says, and the carried latent is the same by both roads."""

import dataclasses

import pytest
import torch
from tiny import LATENTS, MOTION, MOVING_WORLD, clip, motion, stirred, tokenizer, world

from worldmodel.diffusion.rollout import prefill
from worldmodel.errors import UserError
from worldmodel.model.cache import join, split
from worldmodel.model.carrier import Carrier
from worldmodel.model.motion import Motion, MotionConfig
from worldmodel.model.warp import bent, moved, sources

CLOSE = {"rtol": 1e-4, "atol": 1e-4}


@pytest.fixture
def carrier():
    return Carrier(motion().requires_grad_(False), tokenizer().requires_grad_(False))


@pytest.fixture
def network():
    return world(MOVING_WORLD).requires_grad_(False)


def pushed(right, down, size):
    """The flow [1 2 2 2] that looks `right` and `down` pixels further on, everywhere."""
    height, width = size
    return torch.tensor([2 * right / width, 2 * down / height]).view(1, 2, 1, 1).expand(1, 2, 2, 2)


def commit(network, carrier, cache, latent, controls, tau=None):
    """One frame [b n c] into the cache, as play does it; returns what it was carried from."""
    start = carrier.carry(cache, controls)
    tau = torch.ones(len(latent)) if tau is None else tau
    network.commit(latent, tau, controls, cache, start, carrier.picture(latent))
    return start


def filled(network, carrier, latents, controls):
    cache = network.empty_cache(len(latents))
    for i in range(latents.shape[1]):
        commit(network, carrier, cache, latents[:, i], controls[:, i])
    return cache


def test_no_flow_leaves_the_picture():
    pictures = torch.rand(2, 3, 16, 48)
    torch.testing.assert_close(moved(pictures, torch.zeros(2, 2, 4, 12)), pictures)


@pytest.mark.parametrize(("right", "down"), [(3, 0), (-3, 0), (0, 2), (-5, -4)])
def test_a_constant_flow_moves_whole_pixels(right, down):
    pictures = torch.rand(1, 3, 16, 48)
    out = moved(pictures, pushed(right, down, (16, 48)))
    there = pictures.roll((-down, -right), dims=(2, 3))
    inside = (..., slice(5, -5), slice(6, -6))
    torch.testing.assert_close(out[inside], there[inside], **CLOSE)


def test_edges_repeat():
    pictures = torch.rand(1, 3, 16, 48)
    out = moved(pictures, pushed(48, 0, (16, 48)))
    torch.testing.assert_close(out, pictures[..., -1:].expand_as(out), **CLOSE)


def test_a_new_network_moves_almost_nothing():
    for sizes in (MOTION, MotionConfig()):
        network = Motion(sizes).requires_grad_(False)
        h, w = sizes.grid
        latent = torch.randn(4, h * w, sizes.latent_channels)
        recent = torch.randint(0, 2, (4, sizes.history, sizes.controls)).float()
        flow = network(latent, torch.randn_like(latent), recent)
        assert flow.shape == (4, 2, 2 * h, 2 * w) and flow.dtype == torch.float32
        pixels = flow.abs().mean(dim=(0, 2, 3)) * torch.tensor([4.0 * w, 4.0 * h])
        assert pixels.max() < 0.5


def test_every_weight_is_used():
    network = stirred(Motion(MOTION))
    latent, earlier = torch.randn(2, 2, LATENTS, 4)
    network(latent, earlier, torch.ones(2, 3, 6)).square().mean().backward()
    idle = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert idle == []


def test_the_flow_depends_on_every_remembered_control_and_on_what_changed():
    network, (latent, earlier) = motion().requires_grad_(False), torch.randn(2, 1, LATENTS, 4)
    base = network(latent, earlier, torch.zeros(1, 3, 6))
    for age in range(MOTION.history):
        recent = torch.zeros(1, 3, 6)
        recent[:, age] = 1
        assert not torch.equal(network(latent, earlier, recent), base)
    assert torch.equal(network(latent, earlier, torch.full((1, 3, 6), torch.nan)), base)
    assert not torch.equal(network(latent, latent, torch.zeros(1, 3, 6)), base)


class Diary(Motion):
    """Notes which controls it is told, newest first, and which latents."""

    def forward(self, latent, earlier, recent, before=None):
        self.told, self.shown = recent[0, :, 0].tolist(), (latent, earlier)
        return super().forward(latent, earlier, recent, before)


def test_controls_are_told_newest_first_and_the_last_two_latents_are_shown(network):
    latents, _, controls = clip(batch=1, frames=5)
    controls[0, :, 0] = torch.arange(1.0, 6.0)
    carrier = Carrier(Diary(MOTION).requires_grad_(False), tokenizer().requires_grad_(False))
    told = []
    cache = network.empty_cache()
    for i in range(5):
        commit(network, carrier, cache, latents[:, i], controls[:, i])
        told.append(getattr(carrier.motion, "told", None))
        if i > 0:  # the first frame stood still before it moved
            last, earlier = carrier.motion.shown
            assert torch.equal(last, latents[:, i - 1])
            assert torch.equal(earlier, latents[:, max(i - 2, 0)])
    assert told == [None, [2, 1, 0], [3, 2, 1], [4, 3, 2], [5, 4, 3]]
    carrier.carry_clip(latents, controls)
    assert carrier.motion.told == [5, 4, 3]


def test_before_the_first_frame_there_is_no_news(network, carrier):
    latents, level, known, moves, *_ = carrier.carry(network.empty_cache(2), torch.ones(2, 6))
    assert moves.isinf().all()  # nor is there anything to rest on
    assert latents.shape == (2, 1, LATENTS, 4) and not latents.any()
    assert level.shape == (2, 1) and not level.any() and not known.any()


def test_what_comes_from_outside_the_picture_is_not_known(carrier):
    """Looking 12 pixels further to the right, the last one and a half of six columns are new."""
    flow = pushed(12, 0, (16, 48))
    carrier.motion.forward = lambda *given: flow
    picture = torch.rand(1, 3, 16, 48)
    given = torch.zeros(1, LATENTS, 4), torch.zeros(1, LATENTS, 4), picture, torch.zeros(1, 3, 6)
    latents, known, moves, *_ = carrier.motion.carried(carrier.tokenizer, *given)
    assert moves.tolist() == [12]
    assert known.view(2, 6).tolist() == [[1, 1, 1, 1, 0.5, 0]] * 2
    same = carrier.tokenizer.standardise(carrier.tokenizer.bounded(moved(picture, flow)))
    assert torch.equal(latents, same)


def test_a_clip_is_carried_as_frame_by_frame(network, carrier):
    latents, tau, controls = clip(frames=3 * MOVING_WORLD.window)
    whole = carrier.carry_clip(latents, controls)
    cache = network.empty_cache(2)
    for i in range(latents.shape[1]):
        start, level, *_ = commit(network, carrier, cache, latents[:, i], controls[:, i], tau[:, i])
        torch.testing.assert_close(start[:, 0], whole[:, i], **CLOSE)
        assert torch.equal(level, torch.full((2, 1), float(i > 0)))


def test_cached_is_uncached_also_after_the_ring_has_wrapped(network, carrier):
    latents, tau, controls = clip(frames=3 * MOVING_WORLD.window)
    level = torch.ones_like(tau)
    level[:, 0] = 0
    start = carrier.carry_clip(latents, controls), level
    oracle = network(latents, tau, torch.zeros_like(tau), controls, carried=start)
    cache = network.empty_cache(2)
    for i in range(latents.shape[1]):
        now = latents[:, i, None], tau[:, i, None], torch.zeros(2, 1), controls[:, i, None]
        seen = network(*now, cache, carrier.carry(cache, controls[:, i]))
        torch.testing.assert_close(seen[:, 0], oracle[:, i], **CLOSE)
        commit(network, carrier, cache, latents[:, i], controls[:, i], tau[:, i])


def test_what_a_frame_starts_from_changes_it(network, carrier):
    latents, tau, controls = clip(frames=3)
    tau[:] = 0.5
    start = carrier.carry_clip(latents, controls)
    plain, other = (
        network(latents, tau, torch.zeros_like(tau), controls, carried=(x, torch.ones_like(tau)))
        for x in (start, start + 1)
    )
    assert ((plain - other).abs().amax(dim=(0, 2, 3)) > 1e-3).all()


def test_a_snapshot_brings_picture_and_controls_back(network, carrier):
    latents, _, controls = clip(frames=8)
    cache = filled(network, carrier, latents[:, :5], controls[:, :5])
    then, saved = carrier.carry(cache, controls[:, 5]), cache.snapshot()
    for i in (5, 6):
        commit(network, carrier, cache, latents[:, i], controls[:, i])
    assert not torch.equal(carrier.carry(cache, controls[:, 5])[0], then[0])
    cache.restore(saved)
    assert torch.equal(carrier.carry(cache, controls[:, 5])[0], then[0])


def test_players_share_a_batch_and_part_again(network, carrier):
    latents, _, controls = clip(batch=2, frames=9)
    alone = [
        filled(network, carrier, latents[i : i + 1, :age], controls[i : i + 1, :age])
        for i, age in enumerate((2, 8))
    ]
    together = join(alone)
    starts, _, known, *_ = carrier.carry(together, controls[:, 8])
    for i, cache in enumerate(alone):
        own, _, seen, *_ = carrier.carry(cache, controls[i : i + 1, 8])
        torch.testing.assert_close(starts[i], own[0], **CLOSE)
        torch.testing.assert_close(known[i], seen[0], **CLOSE)
    for before, after in zip(alone, split(together), strict=True):
        for field in dataclasses.fields(before.memory):
            a, b = (getattr(cache.memory, field.name) for cache in (before, after))
            assert torch.equal(a, b), field.name
    assert torch.equal(together.memory.recent[1, :, 0], controls[1, [7, 6, 5], 0])
    assert together.memory.picture.shape == (2, 3, 16, 48)


def test_sizes_that_do_not_fit_are_refused_in_a_sentence():
    with pytest.raises(UserError, match="must be at least 1"):
        dataclasses.replace(MOTION, history=0)


def test_momentum_begins_as_a_network_without():
    torch.manual_seed(0)
    old = stirred(Motion(MOTION))
    new = Motion(dataclasses.replace(MOTION, momentum=True))
    new.load_state_dict(old.state_dict(), strict=False)
    given = torch.randn(2, LATENTS, 4), torch.randn(2, LATENTS, 4), torch.ones(2, 3, 6)
    before = torch.randn(2, 2, 4, 12)
    torch.testing.assert_close(new(*given, before), old(*given))


def test_with_momentum_the_flow_depends_on_the_one_before():
    network = motion(momentum=True).requires_grad_(False)
    given = torch.randn(1, LATENTS, 4), torch.randn(1, LATENTS, 4), torch.ones(1, 3, 6)
    still, before = network.no_flow(1), torch.randn(1, 2, 4, 12)
    assert torch.equal(network(*given), network(*given, still))
    assert not torch.equal(network(*given), network(*given, before))


def test_the_flow_of_a_clip_is_the_one_that_a_cache_remembers(network):
    """By two roads at the third frame, for which both begin with the first; a cache goes on so."""
    frames = 3
    carrier = Carrier(
        motion(momentum=True).requires_grad_(False), tokenizer().requires_grad_(False)
    )
    latents, _, controls = clip(batch=2, frames=frames)
    cache = filled(network, carrier, latents, controls)
    at = torch.tensor([frames - 1])
    found = carrier.flow_at(latents, controls, at)
    torch.testing.assert_close(found, cache.memory.flow, **CLOSE)
    start = carrier.carry(cache, controls[:, 0])
    longer = torch.cat([controls, controls[:, :1]], dim=1)
    more = torch.cat([latents, latents[:, :1]], dim=1)
    latent, known, *_ = carrier.carry_at(more, longer, at + 1)
    torch.testing.assert_close(latent, start.latents[:, 0], **CLOSE)
    torch.testing.assert_close(carrier.known_at(more, longer, at + 1), known, rtol=0, atol=0)
    whole = carrier.carry_clip(more, longer)
    torch.testing.assert_close(whole[:, -1], start.latents[:, 0], **CLOSE)


def test_between_real_frames_the_flow_is_measured(network):
    """In a cache that sees them and for clips, by two roads; dreams go on from their own."""
    mover = motion(momentum=True, measured=True).requires_grad_(False)
    carrier = Carrier(mover, tokenizer().requires_grad_(False))
    latents, _, controls = clip(batch=2, frames=5)
    cache = network.empty_cache(2)
    prefill(network, cache, latents, controls, carrier)
    pictures = [carrier.picture(latents[:, i]) for i in (3, 4)]
    torch.testing.assert_close(cache.memory.flow, mover.measure(*pictures), **CLOSE)
    at = torch.tensor([4])
    torch.testing.assert_close(carrier.flow_at(latents, controls, at), cache.memory.flow, **CLOSE)
    start = carrier.carry(cache, controls[:, 0])
    longer, more = (torch.cat([x, x[:, :1]], dim=1) for x in (controls, latents))
    torch.testing.assert_close(
        carrier.carry_clip(more, longer)[:, -1], start.latents[:, 0], **CLOSE
    )
    network.commit(latents[:, 0], torch.ones(2), controls[:, 0], cache, start, pictures[0])
    assert torch.equal(cache.memory.flow, start.flow[:, 0])


def test_what_is_measured_needs_momentum():
    with pytest.raises(UserError, match="set momentum too"):
        motion(measured=True)


def flow_of(x, y):
    """A flow of 24 x 32 vectors for pictures of 96 x 128, given in pixels."""
    way = torch.stack([x / 64, y / 48])[None]
    return way.expand(1, 2, 24, 32)


def test_what_is_near_an_edge_that_moves_otherwise_is_not_known():
    """A world passes by behind a man who stays: around him nothing can be told from the picture."""
    trusting, careful = (Motion(MotionConfig(bend=bend)) for bend in (0.0, 0.3))
    passing = torch.full((24, 32), 4.0)
    staying = passing.clone()
    staying[10:14, 14:18] = 0
    for x, edges in ((passing, False), (staying, True)):
        at = sources(flow_of(x, torch.zeros(24, 32)), (96, 128))
        everywhere, known = (m.known(at).view(12, 16) for m in (trusting, careful))
        assert everywhere[:, :15].min() == 1 and everywhere[:, 15].max() < 1
        lost = everywhere - known
        assert lost.min() >= 0 and bool(lost.max() > 0.4) == edges
        assert not lost[:4].any() and not lost[8:].any() and not lost[:, :6].any()


def test_who_walks_ahead_knows_what_he_sees():
    """A tenth nearer at every frame: the flow bends by the root of two tenths squared."""
    y, x = torch.meshgrid(torch.linspace(-46, 46, 24), torch.linspace(-62, 62, 32), indexing="ij")
    at = sources(flow_of(-0.1 * x, -0.1 * y), (96, 128))
    inner = bent(at)[..., 8:-8, 8:-8]
    torch.testing.assert_close(inner, torch.full_like(inner, 0.02**0.5), atol=2e-3, rtol=0)
    known = Motion(MotionConfig(bend=0.3)).known(at)
    assert torch.equal(known, Motion(MotionConfig()).known(at))

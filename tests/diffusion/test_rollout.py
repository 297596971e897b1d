"""The one-frame step by hand: which levels, keys and noise reach the network, what is kept."""

import pytest
import torch

from worldmodel.diffusion.rollout import next_frame, prefill, remember, rollout
from worldmodel.diffusion.samplers import sample_renoise
from worldmodel.diffusion.schedules import even_times


class Adder:
    """Predicts its frame's first control plus the sum of the committed frames; keeps a diary."""

    def __init__(self):
        self.looks, self.commits, self.carried, self.pictures = [], [], [], []

    def __call__(self, latents, tau, jump, controls, cache, carried):
        assert latents.shape[1] == tau.shape[1] == jump.shape[1] == controls.shape[1] == 1
        self.carried.append(carried)
        self.looks.append((tau[:, 0].tolist(), jump[:, 0].tolist(), controls[:, 0].clone()))
        wanted = controls[:, :, :1, None].nan_to_num(-1.0)
        return (wanted + sum(cache, torch.zeros(()))).expand_as(latents)

    def commit(self, latent, tau, controls, cache, carried, picture, finishing_look):
        self.carried.append(carried)
        self.pictures.append(picture)
        self.commits.append((latent.clone(), tau.clone(), controls.clone()))
        cache.append(latent.mean())


class Porter:
    """Carries a name made of the number of frames and the first key; draws pictures at 100."""

    def carry(self, cache, controls, noise=None, rest=0.0):
        return f"{len(cache)} frames, key {controls[0, 0]:.0f}"

    def seen(self, cache, carried, picture):
        return f"{carried}, seen"

    def picture(self, latent, carried=None):
        return 100 + latent


@pytest.fixture
def network():
    return Adder()


def keys(*values):
    return torch.tensor([[float(v), 0.0] for v in values])


def test_two_steps_by_hand(network):
    noise = torch.randn(1, 3, 2)
    out = next_frame(network, [torch.tensor(2.0)], keys(1), noise, times=even_times(2))
    x = torch.full_like(noise, 3.0)
    half = noise + 0.5 * (x - noise)
    torch.testing.assert_close(out, half + 0.5 * (x - half) / 0.5)
    assert [levels for levels, *_ in network.looks] == [[0.0], [0.5]]
    assert [jump for _, jump, _ in network.looks] == [[0.5], [0.5]]
    assert network.commits == []


def test_guidance_asks_also_with_unknown_keys(network):
    noise = torch.zeros(1, 3, 2)
    out = next_frame(network, [], keys(1), noise, times=even_times(1), guidance=2.0)
    assert sorted(seen.isnan().all().item() for *_, seen in network.looks) == [False, True]
    torch.testing.assert_close(out, torch.full_like(noise, -1 + 2 * (1 - -1)))


def test_the_frame_is_clamped_at_the_end(network):
    out = next_frame(
        network, [], keys(9), torch.zeros(1, 3, 2), times=even_times(2),
        clamp=lambda x: x.clamp(-1, 1),
    )  # fmt: skip
    assert torch.equal(out, torch.ones(1, 3, 2))


def test_another_sampler_gets_its_fresh_noise(network):
    asked = []

    def fresh(index):
        asked.append(index)
        return torch.zeros(1, 3, 2)

    next_frame(
        network, [], keys(1), torch.zeros(1, 3, 2), times=even_times(3), sampler=sample_renoise,
        fresh=fresh,
    )  # fmt: skip
    assert asked == [0, 1]


def test_a_frame_is_remembered_a_little_noisy_and_labelled_so(network):
    latent, noise = torch.ones(2, 3, 2), torch.full((2, 3, 2), 5.0)
    remember(network, [], latent, keys(0, 1), context_noise=0.1, noise=noise)
    shown, tau, controls = network.commits[0]
    torch.testing.assert_close(shown, 0.9 * latent + 0.1 * noise)
    torch.testing.assert_close(tau, torch.tensor([0.9, 0.9]))
    assert torch.equal(controls, keys(0, 1))


def test_without_context_noise_the_frame_is_remembered_exactly(network):
    latent = torch.randn(2, 3, 2)
    remember(network, [], latent, keys(0, 1), noise=torch.randn(2, 3, 2))
    assert torch.equal(network.commits[0][0], latent)
    assert torch.equal(network.commits[0][1], torch.ones(2))


def test_real_frames_are_committed_oldest_first(network):
    latents, controls = torch.randn(2, 4, 3, 2), torch.randn(2, 4, 2)
    prefill(network, [], latents, controls)
    for i, (latent, tau, seen) in enumerate(network.commits):
        assert torch.equal(latent, latents[:, i]) and torch.equal(seen, controls[:, i])
        assert (tau == 1).all()
    assert len(network.commits) == 4


def test_a_rollout_feeds_on_its_own_frames(network):
    """Each frame is its key plus the sum of all before: 1, 0 + 1, 2 + 1 + 1."""
    controls = torch.stack([keys(1), keys(0), keys(2)], dim=1)
    frames = rollout(network, [], controls, torch.randn(1, 3, 3, 2), times=even_times(2))
    torch.testing.assert_close(frames.mean(dim=(0, 2, 3)), torch.tensor([1.0, 1.0, 4.0]))
    assert frames.shape == (1, 3, 3, 2)
    assert [latent.mean().round().item() for latent, *_ in network.commits] == [1, 1, 4]
    assert torch.equal(torch.stack([keys for *_, keys in network.commits], dim=1), controls)
    assert network.carried == [None] * 9 and network.pictures == [None] * 3


def test_a_frame_is_carried_once_for_all_looks_and_for_the_commit(network):
    controls = torch.stack([keys(1), keys(0)], dim=1)
    frames = rollout(
        network, [], controls, torch.randn(1, 2, 3, 2), times=even_times(2), carrier=Porter()
    )
    assert network.carried == ["0 frames, key 1"] * 3 + ["1 frames, key 0"] * 3
    for i, picture in enumerate(network.pictures):
        assert torch.equal(picture, 100 + frames[:, i])


def test_real_frames_are_carried_as_their_own_keys_say(network):
    latents = torch.randn(1, 3, 3, 2)
    prefill(network, [], latents, torch.stack([keys(0), keys(1), keys(2)], dim=1), Porter())
    assert network.carried == [f"{i} frames, key {i}, seen" for i in range(3)]
    for i, picture in enumerate(network.pictures):
        assert torch.equal(picture, 100 + latents[:, i])

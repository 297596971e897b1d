"""The tokenizer: sizes, bounds, and ways there that have a way back."""

import pytest
import torch
from tiny import TOKENIZER, tokenizer

from worldmodel.errors import UserError
from worldmodel.model.tokenizer import Block, TokenizerConfig, to_float, to_uint8


@pytest.fixture
def network():
    built = tokenizer()
    built.mean.uniform_(-0.3, 0.3)
    built.deviation.uniform_(0.2, 0.6)
    return built.requires_grad_(False)


@pytest.fixture
def frames():
    return torch.randint(0, 256, (3, 16, 48, 3), dtype=torch.uint8)


def test_frames_become_latents_become_frames(network, frames):
    latents = network.encode(frames)
    assert latents.shape == (3, 12, 4) and latents.dtype == torch.float32
    again = network.decode(latents)
    assert again.shape == frames.shape and again.dtype == torch.uint8


def test_every_byte_survives_the_way_to_floats_and_back():
    bytes_ = torch.arange(256, dtype=torch.uint8).view(16, 16, 1).expand(16, 16, 3)
    floats = to_float(bytes_)
    assert floats.shape == (3, 16, 16) and floats.min() == 0 and floats.max() == 1
    assert torch.equal(to_uint8(floats), bytes_)
    assert torch.equal(to_uint8(floats * 3 - 1).unique()[[0, -1]], torch.tensor([0, 255]))


def test_latents_are_bounded(network, frames):
    assert network.bounded(to_float(frames) * 100).abs().max() <= 1


def test_decoding_undoes_the_standardisation(network, frames):
    bounded = network.bounded(to_float(frames))
    by_latents = network.pictures(network.standardise(bounded))
    torch.testing.assert_close(by_latents, network.unbounded_pictures(bounded))


def test_training_without_noise_sees_what_playing_sees(network, frames):
    trained = network(to_float(frames), torch.zeros(3, 4, 2, 6))
    assert torch.equal(to_uint8(trained), network.decode(network.encode(frames)))


def test_clamping_changes_only_what_no_picture_encodes_to(network, frames):
    latents = network.encode(frames)
    torch.testing.assert_close(network.clamp(latents), latents)
    wild = network.clamp(latents * 1000)
    assert torch.equal(network.clamp(wild), wild)
    assert (wild * network.deviation + network.mean).abs().max() <= 1 + 1e-6
    assert torch.equal(network.decode(wild), network.decode(latents * 1000))


def test_latents_lie_where_the_picture_is(network, frames):
    """Only latents near a changed pixel change: the grid is the picture's."""
    other = frames.clone()
    other[:, :4, :4] = 255 - other[:, :4, :4]
    changed = (network.encode(frames) != network.encode(other)).any(-1).view(3, 2, 6)
    assert changed[:, 0, 0].all()
    assert not changed[:, :, 5].any()


def test_a_new_block_changes_nothing():
    x = torch.randn(2, 8, 4, 4)
    assert torch.equal(Block(8)(x), x)


@pytest.mark.parametrize("size", [{"height": 97}, {"width": 130}])
def test_frames_that_do_not_divide_are_refused_in_a_sentence(size):
    with pytest.raises(UserError, match="multiples of 8 pixels, found"):
        TokenizerConfig(**size)


def test_sizes_of_nothing_are_refused_in_a_sentence():
    with pytest.raises(UserError, match="at least 1, found 0"):
        TokenizerConfig(fine=0)


def test_the_grid_is_an_eighth():
    assert TOKENIZER.grid == (2, 6)

"""The building blocks begin as what they should, and move pictures where they are told."""

import pytest
import torch
import torch.nn.functional as F

from worldmodel.model.cache import past_mask
from worldmodel.model.layers import (
    Clip,
    ConditionedWarp,
    ConvBlock,
    TransformerBlock,
    attend_clip,
    norm,
)


def test_a_new_convolution_block_changes_nothing():
    x = torch.randn(2, 8, 4, 6)
    assert torch.equal(ConvBlock(8, 16)(x, torch.randn(2, 16)), x)


@pytest.fixture
def warp():
    built = ConditionedWarp(4, 16, (4, 6), groups=2, each=2, taps=(3, 3), rank=5)
    return built.requires_grad_(False)


def test_a_new_warp_stands_still_whatever_the_keys(warp):
    previous = torch.randn(2, 4, 4, 6)
    for condition in (torch.zeros(2, 16), torch.randn(2, 16)):
        torch.testing.assert_close(warp(previous, condition), warp.value(previous))


def test_a_kernel_off_centre_moves_the_picture(warp):
    warp.identity.zero_().view(2, 3, 3)[:, 1, 2] = 1  # read from the right: the picture moves left
    previous = torch.randn(2, 4, 4, 6)
    moved, still = warp(previous, torch.zeros(2, 16)), warp.value(previous)
    torch.testing.assert_close(moved[..., :-1], still[..., 1:])
    assert not moved[..., -1].any()


def test_keys_choose_the_kernel_of_their_place(warp):
    """A map set in one coarse cell shows in its four places and nowhere else."""
    warp.maps[:, :, 0, 0] = 1.0
    previous, condition = torch.randn(1, 4, 4, 6), torch.randn(1, 16)
    changed = (warp(previous, condition) - warp.value(previous)).abs().sum(1)[0] > 1e-5
    assert changed[:2, :2].all()
    assert changed.sum() == 4


def test_norm_gives_unit_power():
    x = 7 * torch.randn(3, 5, 64)
    torch.testing.assert_close(norm(x).square().mean(-1), torch.ones(3, 5), rtol=1e-3, atol=1e-3)


def test_a_block_that_is_not_dense_sees_its_own_frame_only():
    block = TransformerBlock(16, 2, dense=False, depth=1).requires_grad_(False)
    x, modulation, turn = torch.randn(1, 3, 4, 16), torch.zeros(1, 3, 1, 6, 16), torch.zeros(4, 4)
    whole, _ = block(x, modulation, turn, None, None)
    alone, _ = block(x[:, 1:2], modulation[:, 1:2], turn, None, None)
    torch.testing.assert_close(whole[:, 1:2], alone)


def clip_attention(dtype, by, frames=7, tokens=3, window=3):
    """Attention over a clip and its gradients: in parts, or all at once by PyTorch's fused one."""
    torch.manual_seed(0)
    given = [torch.randn(2, 2, frames * tokens, 8, dtype=dtype, requires_grad=True) for _ in "qkv"]
    clip = Clip(frames, window, past_mask(frames, tokens, window))
    if by == "parts":
        seen = attend_clip(*given, clip)
    else:
        seen = F.scaled_dot_product_attention(*given, attn_mask=clip.mask)
    seen.square().sum().backward()
    return [seen.detach(), *(x.grad for x in given)]


@pytest.mark.parametrize(("dtype", "close"), [(torch.float32, 1e-5), (torch.bfloat16, 5e-2)])
def test_a_clip_attended_in_parts_is_the_clip_attended_at_once(dtype, close):
    """Frames 4 to 6 see frames from 1 on: the first one is left out, as the mask would."""
    parts, whole = (clip_attention(dtype, by) for by in ("parts", "whole"))
    torch.testing.assert_close(parts, whole, rtol=close, atol=close)


def test_without_gradients_a_clip_is_attended_to_the_same():
    torch.manual_seed(1)
    given = [torch.randn(2, 2, 15, 8) for _ in "qkv"]
    clip = Clip(5, 2, past_mask(5, 3, 2))
    learned = attend_clip(*(x.clone().requires_grad_() for x in given), clip)
    torch.testing.assert_close(attend_clip(*given, clip), learned.detach())

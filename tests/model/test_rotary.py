"""Rotary positions: attention sees differences of positions only."""

import pytest
import torch

from worldmodel.model.rotary import head_split, rotate, space_angles, time_angles


@pytest.mark.parametrize("head", [8, 16, 32, 48, 64])
def test_a_head_is_split_into_whole_pairs(head):
    parts = head_split(head)
    assert sum(parts) == head
    assert all(part > 0 and part % 2 == 0 for part in parts)


def test_a_turn_keeps_lengths_and_no_turn_keeps_everything():
    x, turn = torch.randn(5, 16), torch.randn(5, 8)
    torch.testing.assert_close(rotate(x, turn).norm(dim=-1), x.norm(dim=-1))
    assert torch.equal(rotate(x, torch.zeros(5, 8)), x)


def test_products_depend_on_the_difference_of_times():
    query, key = torch.randn(16), torch.randn(16)

    def product(at, other):
        turns = time_angles(torch.tensor([at, other]), 16)
        return rotate(query[None], turns[:1])[0] @ rotate(key[None], turns[1:])[0]

    for shift in (-7, 3, 100):
        torch.testing.assert_close(
            product(5, 2), product(5 + shift, 2 + shift), rtol=1e-4, atol=1e-4
        )
    assert not torch.isclose(product(5, 2), product(5, 4))


def test_products_depend_on_the_difference_of_places():
    query, key = torch.randn(16), torch.randn(16)
    turns = space_angles(5, 7, 16).unflatten(0, (5, 7))

    def product(at, other):
        return rotate(query, turns[at]) @ rotate(key, turns[other])

    torch.testing.assert_close(product((0, 1), (2, 0)), product((2, 6), (4, 5)))
    assert not torch.isclose(product((0, 1), (2, 0)), product((0, 1), (2, 1)))


def test_space_and_time_turn_different_channels():
    space, time = space_angles(3, 4, 16), time_angles(torch.arange(6), 16)
    assert space.shape == (12, 8) and time.shape == (6, 8)
    assert not ((space != 0).any(0) & (time != 0).any(0)).any()

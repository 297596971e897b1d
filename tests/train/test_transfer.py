"""A training begins with what another one learned, as far as it fits."""

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from worldmodel.errors import UserError
from worldmodel.train.transfer import begin_with


def network(inputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, 4), nn.Linear(4, 2))


def test_what_fits_is_taken_and_the_rest_stays(tmp_path):
    torch.manual_seed(0)
    learned, fresh = network(6), network(3)
    before = fresh[0].weight.clone()
    save_file(learned.state_dict(), tmp_path / "learned.safetensors")
    assert begin_with(fresh, tmp_path / "learned.safetensors") == 3
    assert torch.equal(fresh[0].weight, before)
    assert torch.equal(fresh[0].bias, learned[0].bias)
    assert torch.equal(fresh[1].weight, learned[1].weight)


def test_weights_of_something_else_are_refused(tmp_path):
    save_file({"other": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(UserError, match=r"no tensor of .*other\.safetensors fits"):
        begin_with(network(3), tmp_path / "other.safetensors")


@pytest.mark.parametrize("content", [None, b"not weights"])
def test_a_missing_or_damaged_file_is_named(tmp_path, content):
    path = tmp_path / "weights.safetensors"
    if content:
        path.write_bytes(content)
    with pytest.raises(UserError, match="weights to begin with"):
        begin_with(network(3), path)

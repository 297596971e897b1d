"""Averages of worlds: weights lie between, everything else is the second one's."""

import pytest
import torch
from playing import save_world

from worldmodel.checkpoint import OUTPAINTER, load_checkpoint, save_network
from worldmodel.errors import UserError
from worldmodel.train.averaging import average_worlds


@pytest.fixture
def pair(tmp_path):
    return save_world(tmp_path / "a", moving=True), save_world(tmp_path / "b", moving=True, seed=1)


@pytest.mark.parametrize("share", [0.0, 0.75, 1.0])
def test_weights_lie_between(pair, tmp_path, share):
    average_worlds(*pair, tmp_path / "out", share)
    a, b, out = (load_checkpoint(path) for path in (*pair, tmp_path / "out"))
    for name, weight in out.network.state_dict().items():
        ends = a.network.state_dict()[name], b.network.state_dict()[name]
        torch.testing.assert_close(weight, torch.lerp(*ends, share))
    assert out.config == b.config and out.motion is not None


def test_so_do_those_of_their_outpainters(tmp_path):
    kinds = {"moving": True, "offscreen": (2, 3), "outpainter": True}
    pair = [save_world(tmp_path / name, seed=i, **kinds) for i, name in enumerate("ab")]
    ends = [load_checkpoint(path).outpainter for path in pair]
    for i, end in enumerate(ends):  # both are begun alike
        for weight in end.parameters():
            weight.data += i
    for path, end in zip(pair, ends, strict=True):
        save_network(path / OUTPAINTER, end)
    average_worlds(*pair, tmp_path / "out", 0.25)
    found = load_checkpoint(tmp_path / "out").outpainter
    for name, weight in found.named_parameters():
        torch.testing.assert_close(weight, ends[0].state_dict()[name] + 0.25)


def test_what_does_not_fit_is_a_sentence(pair, tmp_path):
    with pytest.raises(UserError, match="share must lie in 0 to 1"):
        average_worlds(*pair, tmp_path / "out", 1.5)
    with pytest.raises(UserError):
        average_worlds(save_world(tmp_path / "still"), pair[1], tmp_path / "out", 0.5)
    assert not (tmp_path / "out").exists()

"""The regression network of a report: by whatever road it is read, and only if it fits."""

import pytest
import torch
from play.playing import save_world

from worldmodel.checkpoint import encoder_hash, save_network
from worldmodel.errors import UserError
from worldmodel.evaluate.yardstick import load_yardstick
from worldmodel.play.world import load_world


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = save_world(tmp_path_factory.mktemp("yardstick") / "tiny", moving=True)
    return load_world(folder, "cpu", "plain")


def saved(path, world, network=None, encoder=None):
    encoder = encoder_hash(world.tokenizer) if encoder is None else encoder
    save_network(path, network or world.network, encoder=encoder)
    return path


def test_a_file_of_weights_is_the_same_network_as_its_checkpoint(world, tmp_path):
    other = save_world(tmp_path / "run" / "checkpoint", moving=True, seed=7)
    whole = load_yardstick(other.parent, world)
    alone = load_yardstick(saved(tmp_path / "weights.safetensors", world, whole.network), world)
    for name, tensor in whole.network.state_dict().items():
        assert torch.equal(tensor, alone.network.state_dict()[name]), name
    assert alone.tokenizer is world.tokenizer and alone.motion is world.motion


def test_what_was_trained_on_other_latents_is_refused(world, tmp_path):
    path = saved(tmp_path / "weights.safetensors", world, encoder="another")
    with pytest.raises(UserError, match="another tokenizer than the world; train it with"):
        load_yardstick(path, world)


def test_another_size_is_refused(world, tmp_path):
    folder = save_world(tmp_path / "still", moving=False)
    path = saved(
        tmp_path / "weights.safetensors", world, load_world(folder, "cpu", "plain").network
    )
    with pytest.raises(UserError, match="other sizes than the world"):
        load_yardstick(path, world)


def test_what_is_no_network_is_one_sentence(world, tmp_path):
    (tmp_path / "weights.safetensors").write_text("no")
    with pytest.raises(UserError, match="is damaged"):
        load_yardstick(tmp_path / "weights.safetensors", world)
    with pytest.raises(UserError, match=r"config\.json is missing"):
        load_yardstick(tmp_path / "nothing", world)

"""Training on another device, as far as it can be seen without one.

Tensors on the device `meta` have shapes but no numbers, and refuse to be mixed with the
processor's: what runs there has left nothing behind on the processor.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import LATENTS, WORLD, world

import worldmodel
from worldmodel.errors import UserError
from worldmodel.model.figure import beside
from worldmodel.model.tokenizer import to_float
from worldmodel.train.devices import ProcessorDraws, on_device
from worldmodel.train.objectives.rectified_flow import flow_loss
from worldmodel.train.ranks import device_named

META = torch.device("meta")
SIZE = 24, 32


@pytest.fixture
def elsewhere():
    with on_device(META):
        yield


def test_devices_cannot_be_mixed(elsewhere):
    with pytest.raises(RuntimeError, match="device"):
        torch.zeros(2) + torch.zeros(2, device="cpu")


def test_a_worlds_loss_and_gradient_stay_on_the_device(elsewhere):
    network = world()
    assert {p.device for p in network.parameters()} == {META}
    draw = torch.Generator().manual_seed(0)
    clean = torch.randn(2, 5, LATENTS, WORLD.latent_channels, generator=draw)
    controls = torch.zeros(2, 5, WORLD.controls)
    tau = torch.rand(2, 5, generator=draw)
    loss = flow_loss(network, clean, controls, [], tau, draw).mean()
    loss.backward()
    assert loss.device == META and network.head_out.weight.grad.device == META


def test_frames_read_from_arrays_lie_on_the_device(elsewhere):
    frames = np.zeros((2, *SIZE, 3), np.uint8)
    player = np.zeros(SIZE, np.float32)
    player[8:12, 8:12] = 1
    stays = torch.as_tensor(player)[None, None]
    assert to_float(torch.as_tensor(frames)).device == META
    assert beside(stays).device == META


def test_no_array_becomes_a_tensor_past_the_device():
    """torch.from_numpy is no function that a mode is asked about: it would stay here."""
    package = Path(worldmodel.__file__).parent
    found = [p.name for p in package.rglob("*.py") if "torch.from_numpy" in p.read_text()]
    assert found == ["devices.py"]  # which says so


def test_draws_are_the_processors():
    drawn = torch.randn(3, generator=torch.Generator().manual_seed(1))
    with ProcessorDraws(torch.device("cpu")):
        again = torch.randn(3, generator=torch.Generator().manual_seed(1))
        assert isinstance(again.numpy(), np.ndarray)
    assert torch.equal(drawn, again)


def test_the_processor_needs_no_help():
    with on_device(torch.device("cpu")):
        assert torch.zeros(1).device.type == "cpu"
    assert device_named("auto").type in ("cpu", "cuda")
    assert device_named("cpu") == torch.device("cpu")


def test_a_device_that_is_not_there_is_refused_in_a_sentence():
    with pytest.raises(UserError, match="the device 'nonsense' cannot be used here") as error:
        device_named("nonsense")
    assert "\n" not in str(error.value)

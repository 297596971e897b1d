"""LPIPS, FID and FVD with the user's own networks, here tiny ones that answer to the same words."""

import warnings

import pytest
import torch
from torch import nn

from worldmodel.errors import UserError
from worldmodel.evaluate import given


class Eyes(nn.Module):
    """Answers as all three files do: pooled colours, of pictures or of films."""

    def forward(
        self, x: torch.Tensor, resize_images: bool = False, return_lpips: bool = False,
        return_features: bool = False, rescale: bool = False, resize: bool = False,
    ) -> torch.Tensor:  # fmt: skip
        assert return_lpips or return_features
        return x.flatten(2).mean(2) / 255


class Blind(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


@pytest.fixture
def saved(tmp_path):
    def save(network):
        path = tmp_path / "network.pt"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.jit.script(network).save(str(path))
        return path

    return save


def test_each_network_is_asked_in_its_own_words(saved):
    networks = given.load_given(lpips=saved(Eyes()), fid=saved(Eyes()), fvd=saved(Eyes()))
    dark, light = (torch.full((3, 8, 8, 3), v, dtype=torch.uint8) for v in (0, 51))
    assert given.lpips(networks.lpips, dark, light) == pytest.approx([0.12] * 3)
    assert given.inception(networks.fid, light).shape == (3, 3)
    films = light[None].expand(2, -1, -1, -1, -1)
    assert given.i3d(networks.fvd, films).flatten().tolist() == pytest.approx([0.2] * 6)
    assert given.load_given(lpips=None, fid=None, fvd=None) == given.Given()


def test_a_network_of_another_kind_is_a_sentence(saved, tmp_path):
    network = given.load_given(fid=saved(Blind())).fid
    with pytest.raises(UserError, match=r"--fid wants inception-2015-12-05\.pt"):
        given.inception(network, torch.zeros(1, 8, 8, 3, dtype=torch.uint8))
    (tmp_path / "text.pt").write_text("no network")
    with pytest.raises(UserError, match=r"return_lpips; .* is not that"):
        given.load_given(lpips=tmp_path / "text.pt")


def test_the_frechet_distance_of_two_gaussians():
    """Independent axes: (m1 - m2)^2 + (s1 - s2)^2 for each."""
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(20_000, 2, generator=draw, dtype=torch.float64)
    x = (x - x.mean(0)) @ torch.linalg.inv(torch.linalg.cholesky(x.T.cov()).T)
    y = x * torch.tensor([3.0, 0.5]) + torch.tensor([1.0, 2.0])
    assert given.frechet(x, y) == pytest.approx(1 + 4 + 4 + 0.25, rel=1e-6)
    assert given.frechet(x, x) == pytest.approx(0, abs=1e-6)

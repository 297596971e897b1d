"""LPIPS, FID and FVD with the networks of their papers, for those who have the files.

They cannot be had from a package registry. Each is a TorchScript file that its authors or NVIDIA
(stylegan3's metrics) publish; it is run by TorchScript's interpreter, so take it from them alone.
Shapes: n frames or windows, t frames of a window, f features, H W pixels.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from worldmodel.errors import UserError

WINDOW = 16  # frames of FVD
BATCH = 8
FILES = {
    "lpips": "vgg16.pt of stylegan3's metrics, which answers to return_lpips",
    "fid": "inception-2015-12-05.pt of stylegan3's metrics, which answers to return_features",
    "fvd": "i3d_torchscript.pt (Kinetics-400), which answers to rescale, resize, return_features",
}


@dataclass(frozen=True, kw_only=True)
class Given:
    """The networks whose files were named."""

    lpips: Callable[..., Tensor] | None = None
    fid: Callable[..., Tensor] | None = None
    fvd: Callable[..., Tensor] | None = None


def load_given(**files: Path | None) -> Given:
    """The networks in the files named lpips, fid and fvd; raises UserError when one is none."""
    return Given(**{name: _load(name, path) for name, path in files.items() if path})


def _load(name: str, path: Path) -> Callable[..., Tensor]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # TorchScript itself is deprecated, the files are not
            return torch.jit.load(str(path), map_location="cpu").eval()
    except (RuntimeError, ValueError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"--{name} wants {FILES[name]}; {path} is not that ({reason})") from None


@torch.inference_mode()
def lpips(network: Callable[..., Tensor], a: Tensor, b: Tensor) -> Tensor:
    """LPIPS (Zhang et al. 2018) [n] of uint8 frames [n H W 3]: squared distance of its features."""
    pairs = zip(a.split(BATCH), b.split(BATCH), strict=True)
    found = [
        (_asked("lpips", network, _pictures(x), resize_images=False, return_lpips=True)
         - _asked("lpips", network, _pictures(y), resize_images=False, return_lpips=True))
        .square().sum(dim=1)
        for x, y in pairs
    ]  # fmt: skip
    return torch.cat(found)


@torch.inference_mode()
def inception(network: Callable[..., Tensor], frames: Tensor) -> Tensor:
    """Inception features [n f] of uint8 frames [n H W 3]."""
    parts = [
        _asked("fid", network, _pictures(x), return_features=True) for x in frames.split(BATCH)
    ]
    return torch.cat(parts)


@torch.inference_mode()
def i3d(network: Callable[..., Tensor], windows: Tensor) -> Tensor:
    """I3D features [n f] of windows uint8 [n t H W 3]."""
    wanted = {"rescale": True, "resize": True, "return_features": True}
    videos = windows.movedim(-1, 1).float()
    return torch.cat([_asked("fvd", network, x, **wanted) for x in videos.split(2)])


def frechet(a: Tensor, b: Tensor) -> float:
    """Frechet distance of two samples of features [n f] (Heusel et al. 2017, eq. 6)."""
    mean = (a.double().mean(0) - b.double().mean(0)).square().sum()
    first, second = a.double().T.cov(), b.double().T.cov()
    root = _root(first)
    cross = torch.linalg.eigvalsh(root @ second @ root).clamp_min(0).sqrt().sum()
    return float(mean + first.trace() + second.trace() - 2 * cross)


def _root(matrix: Tensor) -> Tensor:
    """The symmetric square root of a covariance."""
    values, vectors = torch.linalg.eigh(matrix)
    return vectors * values.clamp_min(0).sqrt() @ vectors.T


def _pictures(frames: Tensor) -> Tensor:
    """uint8 [n H W 3] -> float [n 3 H W] in 0..255, as these networks want it."""
    return frames.movedim(-1, 1).float()


def _asked(name: str, network: Callable[..., Tensor], *given: Tensor, **wanted: bool) -> Tensor:
    try:
        return network(*given, **wanted)
    except (RuntimeError, TypeError) as error:
        reason = str(error).strip().splitlines()[-1]
        raise UserError(f"--{name} wants {FILES[name]}; this file cannot ({reason})") from None

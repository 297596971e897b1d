"""Layers stripped to their weights, in the type and order that suit inference.

On a CPU with oneDNN the weights are packed once into the blocks that its kernels read, which
PyTorch's own layers do at every call. Shapes: b batch, f features, h w grid, p q sides of a patch.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ROWS = 48  # tokens of a frame: the number of rows that linear weights are packed for


class Linear:
    """A linear layer in `dtype`; weight and bias may be given in another order."""

    def __init__(
        self, layer: nn.Linear, dtype: torch.dtype, *,
        weight: Tensor | None = None, bias: Tensor | None = None,
    ) -> None:  # fmt: skip
        bias = layer.bias if bias is None else bias
        self.weight = (layer.weight if weight is None else weight).detach().to(dtype).contiguous()
        self.bias = None if bias is None else bias.detach().to(dtype).contiguous()
        self.packed = can_pack(self.weight)
        if self.packed:
            self.weight = torch.ops.mkldnn._reorder_linear_weight(self.weight, ROWS)

    def __call__(self, x: Tensor) -> Tensor:
        if not self.packed:
            return F.linear(x, self.weight, self.bias)
        return torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, "none", [], "")


class Conv:
    """A convolution of stride 1 in `dtype` and channels_last, for inputs [b f h w] of `grid`."""

    def __init__(
        self, layer: nn.Conv2d, dtype: torch.dtype, grid: tuple[int, int], *,
        weight: Tensor | None = None, bias: Tensor | None = None,
    ) -> None:  # fmt: skip
        weight = (layer.weight if weight is None else weight).detach().to(dtype)
        self.weight = weight.contiguous(memory_format=torch.channels_last)
        self.bias = (layer.bias if bias is None else bias).detach().to(dtype)
        self.padding = list(layer.padding)
        self.packed = can_pack(self.weight)
        if self.packed:
            shape = [1, weight.shape[1], *grid]
            self.weight = torch.ops.mkldnn._reorder_convolution_weight(
                self.weight, self.padding, [1, 1], [1, 1], 1, shape
            )

    def __call__(self, x: Tensor) -> Tensor:
        return self._run(x, "none")

    def relu(self, x: Tensor) -> Tensor:
        """relu(conv(x))"""
        return self._run(x, "relu")

    def plus(self, x: Tensor, other: Tensor) -> Tensor:
        """other + conv(x)"""
        if not self.packed:
            return other + F.conv2d(x, self.weight, self.bias, padding=self.padding)
        return torch.ops.mkldnn._convolution_pointwise.binary(
            x, other, self.weight, self.bias, self.padding, [1, 1], [1, 1], 1,
            "add", 1.0, None, [], None,
        )  # fmt: skip

    def _run(self, x: Tensor, last: str) -> Tensor:
        if not self.packed:
            out = F.conv2d(x, self.weight, self.bias, padding=self.padding)
            return out.relu_() if last == "relu" else out
        return torch.ops.mkldnn._convolution_pointwise(
            x, self.weight, self.bias, self.padding, [1, 1], [1, 1], 1, last, [], ""
        )


def can_pack(weight: Tensor) -> bool:
    """Whether oneDNN can take this weight in its own order."""
    if weight.device.type != "cpu" or not torch.backends.mkldnn.is_available():
        return False
    if weight.dtype == torch.bfloat16:
        return torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return hasattr(torch.ops.mkldnn, "_linear_pointwise")


def fold(weight: Tensor, patch: int, dim: int = 0) -> Tensor:
    """Reorder the features (f p q) along `dim` to (p q f), which a patch's pixels lie next to."""
    parts = weight.unflatten(dim, (-1, patch * patch)).transpose(dim, dim + 1)
    return parts.flatten(dim, dim + 1)


def spread(x: Tensor, patch: int) -> Tensor:
    """Patches [b h w (p q f)] -> pixels [b f h*p w*q], in channels_last."""
    b, h, w, _ = x.shape
    x = x.view(b, h, w, patch, patch, -1).permute(0, 1, 3, 2, 4, 5)
    return x.reshape(b, h * patch, w * patch, -1).permute(0, 3, 1, 2)


def gather(x: Tensor, patch: int) -> Tensor:
    """Pixels [b f h*p w*q] -> patches [b (p q f) h w], channels_last; undoes `spread`."""
    b, f, height, width = x.shape
    x = x.permute(0, 2, 3, 1).reshape(b, height // patch, patch, width // patch, patch, f)
    x = x.permute(0, 1, 3, 2, 4, 5).reshape(b, height // patch, width // patch, -1)
    return x.permute(0, 3, 1, 2)

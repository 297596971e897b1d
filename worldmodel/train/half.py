"""bfloat16 where it pays: a processor without units for it is several times slower than without."""

import functools
import sys
import time

import torch
import torch.nn.functional as F
from torch import Tensor

TIMES = 3  # each is timed, of which the quickest counts
SIDE, CHANNELS, KERNEL = 32, 64, 3  # of the convolution that is timed


def half(kind: str, *, wanted: bool) -> torch.autocast:
    """Products in bfloat16 on a device of this kind, where that is `wanted` and quicker."""
    return torch.autocast(kind, torch.bfloat16, enabled=wanted and half_pays(kind))


@functools.cache
def half_pays(kind: str) -> bool:
    """Whether bfloat16 is quicker; measured once on a processor and told if it is not."""
    if kind == "cuda":
        return torch.cuda.is_bf16_supported()
    if kind != "cpu":
        return True
    whole, halved = measured_seconds()
    if halved > whole:
        print(
            f"float32 is used: bfloat16 takes {halved / whole:.1f} times as long on this processor",
            file=sys.stderr,
        )
    return halved <= whole


def measured_seconds() -> tuple[float, float]:
    """Seconds of a convolution in float32 and in bfloat16."""
    x = torch.ones(8, CHANNELS, SIDE, SIDE).to(memory_format=torch.channels_last)
    weight = torch.ones(CHANNELS, CHANNELS, KERNEL, KERNEL)
    kinds = torch.float32, torch.bfloat16
    return tuple(_quickest(x.to(kind), weight.to(kind)) for kind in kinds)


def _quickest(x: Tensor, weight: Tensor) -> float:
    def timed() -> float:
        began = time.perf_counter()
        F.conv2d(x, weight, padding=1)
        return time.perf_counter() - began

    with torch.inference_mode():
        timed()  # the first call prepares
        return min(timed() for _ in range(TIMES))

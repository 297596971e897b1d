"""What figures of speed belong to: the machine, its matrix rate, and how values spread."""

import os
import platform
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

SIZE = 1024  # rows and columns of the matrices that tell the rate


@torch.inference_mode()
def matrix_rate(dtype: torch.dtype, device: str = "cpu", seconds: float = 0.5) -> float:
    """The best rate of a square matrix product seen in so many seconds, in GFLOP/s."""
    a, b = (torch.randn(SIZE, SIZE, device=device).to(dtype) for _ in range(2))
    best, began = float("inf"), time.perf_counter()
    while time.perf_counter() - began < seconds:
        start = time.perf_counter()
        (a @ b)[0, 0].item()
        best = min(best, time.perf_counter() - start)
    return 2 * SIZE**3 / best / 1e9


def matrix_rates(device: str = "cpu") -> dict[str, float]:
    """GFLOP/s of matrix products by type."""
    return {name: matrix_rate(getattr(torch, name), device) for name in ("float32", "bfloat16")}


def spread(values: Sequence[float], scale: float = 1.0) -> dict[str, float]:
    """Median, 5th and 95th percentile of values times `scale`."""
    low, middle, high = np.percentile(values, [5, 50, 95]) * scale
    return {"p50": float(middle), "p5": float(low), "p95": float(high)}


def milliseconds(seconds: Sequence[float]) -> dict[str, float]:
    """`spread` of durations, in milliseconds."""
    return spread(seconds, 1000)


def rate(seconds: Sequence[float], units: float = 1.0) -> dict[str, float]:
    """`spread` of units a second, where each of `seconds` made so many units."""
    return spread([units / each for each in seconds])


def peak_memory() -> float | None:
    """The most memory that this process ever had, in MB; None where the system does not tell."""
    try:
        import resource
    except ImportError:
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (2**20 if sys.platform == "darwin" else 2**10)


def use_threads(threads: int | None) -> None:
    """Let PyTorch, and graphs compiled from now on, use so many threads; None leaves it."""
    if threads is not None:
        torch.set_num_threads(threads)


def machine(device: str = "cpu") -> dict[str, object]:
    """What the figures belong to."""
    found = {"processor": processor(), "cores": os.cpu_count(), "threads": torch.get_num_threads()}
    if device.startswith("cuda"):
        found["device"] = torch.cuda.get_device_name(device)
    return found | {"torch": torch.__version__, "system": platform.platform()}


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()

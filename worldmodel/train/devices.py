"""Training on another device than the processor, with the processor's random numbers."""

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from worldmodel.train.config import TrainConfig
from worldmodel.train.ranks import device_named, join_ranks

WANTED = {Tensor.numpy, Tensor.__array__}  # as NumPy arrays
DRAWS = {torch.rand, torch.randn, torch.randint, torch.randperm, torch.normal}


class ProcessorDraws(TorchFunctionMode):
    """What a CPU generator draws, and NumPy arrays that are read or wanted, meet on `device`.

    A run is a function of (seed, step) on every device: the numbers are always the processor's.
    Arrays become tensors by `torch.as_tensor`, which `torch.device` sends to the device as it does
    all new tensors; no mode is asked about `torch.from_numpy`.
    """

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self.device = device

    def __torch_function__(
        self, func: Callable, types: tuple, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        draw = kwargs.get("generator")
        if func in DRAWS and draw is not None and draw.device.type == "cpu":
            return func(*args, **{**kwargs, "device": "cpu"}).to(self.device)
        if func in WANTED:
            return func(args[0].cpu(), *args[1:], **kwargs)
        return func(*args, **kwargs)


@contextlib.contextmanager
def on_device(device: torch.device) -> Iterator[None]:
    """New tensors lie on `device`; code that was written for the processor runs there."""
    if device.type == "cpu":
        yield
        return
    with torch.device(device), ProcessorDraws(device):
        yield


def on_its_device(stage: Callable) -> Callable:
    """A stage that runs on the device which the TrainConfig among its arguments names."""

    @functools.wraps(stage)
    def run(*args: Any, **kwargs: Any) -> Any:
        config = next(a for a in (*args, *kwargs.values()) if isinstance(a, TrainConfig))
        join_ranks()
        with on_device(device_named(config.device)):
            return stage(*args, **kwargs)

    return run

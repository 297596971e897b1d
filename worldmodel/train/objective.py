"""What the loop asks of an objective."""

from pathlib import Path
from typing import Protocol

from torch import Tensor, nn

Batch = tuple[Tensor, ...]


class Objective(Protocol):
    """A training objective over one network. Batches are a function of (seed, step) alone.

    A step is a part of an update, of which there are `TrainConfig.accumulate`; objectives are made
    with `config.parts()`. In all parts of an update the network must be called equally often and
    the same values logged, as ranks compute parts side by side: schedules go by
    `config.first_part(step)`.
    """

    frames_per_step: int  # frames a step learns from, for the frames-per-second display

    def batch(self, step: int) -> Batch:
        """The batch of step `step`."""
        ...

    def loss(self, network: nn.Module, batch: Batch, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Scalar loss and detached scalars to log; its random draws are a function of `step`."""
        ...

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Held-out figures of `network` (the averaged weights)."""
        ...

    def draw(self, network: nn.Module, path: Path) -> None:
        """Write a PNG in which a person sees how good `network` is."""
        ...

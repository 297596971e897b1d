"""What the loop asks of an objective."""

from pathlib import Path
from typing import Protocol

from torch import Tensor, nn

Batch = tuple[Tensor, ...]


class Objective(Protocol):
    """A training objective over one network. Batches are a function of (seed, step) alone."""

    frames_per_step: int  # frames an update learns from, for the frames-per-second display

    def batch(self, step: int) -> Batch:
        """The batch of update `step`."""
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

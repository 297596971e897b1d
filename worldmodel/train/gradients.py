"""The gradient of one update: its parts one after another, shared among ranks."""

import contextlib
import warnings
from functools import partial

import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel
from torch.utils.checkpoint import checkpoint

from worldmodel.errors import UserError
from worldmodel.train.config import TrainConfig
from worldmodel.train.half import half
from worldmodel.train.objective import Batch, Objective
from worldmodel.train.ranks import ranks, shared_parts, summed


class Gradients:
    """Leaves in `.grad` the mean gradient over an update's parts, whichever rank computes which.

    A part is what the objective calls a step: its batch and noise are a function of (seed, part),
    so that an update is the same, but for the order of its sums, on any number of ranks. Raises
    UserError when there are more ranks than parts.
    """

    def __init__(self, network: nn.Module, objective: Objective, config: TrainConfig) -> None:
        self.network, self.objective, self.config = network, objective, config
        if ranks() > config.accumulate:
            raise UserError(
                f"{ranks()} processes need an update in at least {ranks()} parts, found "
                f"{config.accumulate}; give --accumulate {ranks()} or a multiple of it"
            )
        self._loss: nn.Module = _Loss(network, objective)
        if ranks() > 1 and not config.shard:
            self._loss = DistributedDataParallel(self._loss, find_unused_parameters=True)
        self.batches: dict[int, Batch] = {}  # this rank's parts of the last update

    def __call__(self, step: int) -> dict[str, Tensor]:
        """Loss and other figures of update `step`, each the mean over its parts."""
        parts, rounds = self.config.accumulate, shared_parts(self.config.accumulate)
        totals: dict[str, Tensor] = {}
        self.batches = {}
        for turn, part in enumerate(rounds):
            found = self._part(step * parts + (part or 0), part is None, turn == len(rounds) - 1)
            for name, value in found.items():
                totals[name] = totals.get(name, 0) + value
        return summed(totals)

    def _part(self, index: int, idle: bool, last: bool) -> dict[str, Tensor]:
        """One part, backwards too; with `idle` only for company, as ranks wait for each other."""
        share = 0.0 if idle else 1 / self.config.accumulate
        batch = self.objective.batch(index)
        if not idle:
            self.batches[index] = batch
        device = next(self.network.parameters()).device
        with contextlib.nullcontext() if last else self._alone():
            with half(device.type, wanted=self.config.bf16):
                loss, values = self._loss(batch, index)
            (loss * (share * ranks())).backward()  # ranks' gradients are averaged
        return {k: v.detach() * share for k, v in {"loss": loss, **values}.items()}

    def _alone(self) -> contextlib.AbstractContextManager:
        """Gradients stay on this rank until the last round."""
        alone = isinstance(self._loss, DistributedDataParallel)
        return self._loss.no_sync() if alone else contextlib.nullcontext()


class _Loss(nn.Module):
    """An objective's loss as a module, which is what DistributedDataParallel asks for."""

    def __init__(self, network: nn.Module, objective: Objective) -> None:
        super().__init__()
        self.network, self.objective = network, objective

    def forward(self, batch: Batch, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        return self.objective.loss(self.network, batch, step)


def gradient_norm(network: nn.Module) -> Tensor:
    """The norm of all gradients together, over all ranks."""
    norm = nn.utils.get_total_norm([p.grad for p in network.parameters() if p.grad is not None])
    return norm.full_tensor() if isinstance(norm, DTensor) else norm


def recompute_blocks(network: nn.Module) -> None:
    """Have the blocks of `network` forget their activations and compute them again for the
    gradient (arXiv 1604.06174): less memory, a forward pass more, the same numbers."""
    for layers in network.modules():
        for block in layers if isinstance(layers, nn.ModuleList) else ():
            block.forward = partial(checkpoint, block.forward, use_reentrant=False)


@contextlib.contextmanager
def without_noise():
    """PyTorch's remarks about what is meant to be so."""
    with warnings.catch_warnings():
        # norms have float32 weights under autocast
        warnings.filterwarnings("ignore", message="Mismatch dtype between input and weight")
        # blocks also return keys and values, which nobody changes in place
        warnings.filterwarnings("ignore", message="FSDP2-wrapped module")
        # whether some parameters are unused depends on the objective
        warnings.filterwarnings("ignore", message="find_unused_parameters=True was specified")
        yield


def a_rank_is_gone(error: Exception) -> bool:
    """Whether an error means that another process has died, not that this one is wrong."""
    words = "closed by peer", "reset by peer", "broken pipe", "connection refused", "timed out"
    lost = ranks() > 1 and any(word in str(error).lower() for word in words)
    return lost or isinstance(error, dist.DistNetworkError)

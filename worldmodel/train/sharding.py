"""Weights, moments and averages split over ranks (FSDP2), and gathered again."""

import copy

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor, distribute_tensor

from worldmodel.errors import UserError
from worldmodel.train.ranks import ranks

# beside `forward`, what objectives call of a network that is split
METHODS = "commit", "encode", "decode", "bounded", "pictures", "carried"


def shard(networks: list[nn.Module]) -> None:
    """Split the parameters of each network over all ranks, a transformer block at a time.

    Raises UserError in a process that torchrun did not start.
    """
    if not dist.is_initialized():
        raise UserError(
            "shard splits the weights over the processes that torchrun starts, and this is a "
            "process on its own; start it with torchrun or leave --shard out"
        )
    kind = next(networks[0].parameters()).device.type
    mesh = init_device_mesh(kind, (ranks(),))
    for network in networks:
        _shard(network, mesh)


def _shard(network: nn.Module, mesh: DeviceMesh) -> None:
    for parameter in network.parameters():  # FSDP2 takes no channels_last
        parameter.data = parameter.data.contiguous()
    for block in getattr(network, "blocks", ()):
        fully_shard(block, mesh=mesh)
    fully_shard(network, mesh=mesh)
    for name in METHODS:
        if hasattr(network, name):
            register_fsdp_forward_method(network, name)


def whole(tensor: Tensor) -> Tensor:
    """A tensor as it is without ranks; all of them must ask for it."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def like(tensor: Tensor, target: Tensor) -> Tensor:
    """A whole tensor split as `target` is."""
    if not isinstance(target, DTensor):
        return tensor
    tensor = tensor.to(target.device_mesh.device_type)
    return distribute_tensor(tensor, target.device_mesh, target.placements)


class Gatherer:
    """Gives the whole of a network that may be split; a plain copy is made before it is."""

    def __init__(self, network: nn.Module, sharded: bool) -> None:
        self._plain = copy.deepcopy(network) if sharded else None

    def __call__(self, network: nn.Module) -> nn.Module:
        """`network` itself, or its weights gathered into a plain one. Called by all ranks."""
        if self._plain is None:
            return network
        split = [module for module in network.modules() if isinstance(module, FSDPModule)]
        for module in split:
            module.unshard()  # one exchange for all its parameters
        with torch.no_grad():
            found = {**dict(network.named_parameters()), **dict(network.named_buffers())}
            own = {**dict(self._plain.named_parameters()), **dict(self._plain.named_buffers())}
            for name, target in own.items():
                target.copy_(found[name])
        for module in split:
            module.reshard()
        return self._plain

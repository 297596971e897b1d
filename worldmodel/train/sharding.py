"""Weights, moments and averages split over ranks (FSDP2), and gathered again."""

import copy

import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method
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
        gathered = {name: whole(tensor) for name, tensor in network.state_dict().items()}
        self._plain.load_state_dict(gathered)
        return self._plain

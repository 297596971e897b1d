"""The processes that train one network together, as `torchrun` starts them.

Without torchrun there is one process, rank 0 of 1, and nothing here does anything.
"""

import atexit
import functools
import os
import time
import warnings
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.rendezvous import rendezvous

from worldmodel.errors import UserError

Result = TypeVar("Result")
MEETING = "RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"  # what torchrun tells each process
PATIENCE = timedelta(minutes=30)  # for a rank that hangs; one that dies is noticed at once
LETTING_GO = 0.5  # seconds in which Gloo's threads let go of what they were sent last
LONGEST_TURN = timedelta(days=7)  # encoding a large data set for the first time


def join_ranks() -> None:
    """Meet the other processes that torchrun started; does nothing in a process on its own."""
    if not {*MEETING} <= {*os.environ} or dist.is_initialized():
        return
    backend = "gloo"
    if torch.cuda.is_available():
        backend = "cpu:gloo,cuda:nccl"
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    store, own, count = next(rendezvous("env://", timeout=PATIENCE))
    # torchrun's store outlives a restart: addresses of ranks that are gone must not be found in it
    store = dist.PrefixStore(f"start {restarts()} of {count} ranks", store)
    dist.init_process_group(backend, store=store, rank=own, world_size=count, timeout=PATIENCE)
    atexit.register(_leave)


def _leave() -> None:
    """Leave the other processes before Python ends: a thread of Gloo that still holds a tensor of
    Python's then would end the process (pytorch/pytorch, pull request 179291)."""
    if dist.is_initialized():
        dist.destroy_process_group()
        time.sleep(LETTING_GO)


def rank() -> int:
    """This process's number, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def ranks() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def restarts() -> int:
    """How often torchrun has started this run's processes again."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", 0))


def about_ranks() -> str:
    """How many processes train together, and whether one was lost before; in words."""
    together = f" on {ranks()} ranks" if ranks() > 1 else ""
    again = f", as a rank was lost (restart {restarts()} by torchrun)" if restarts() else ""
    return together + again


def say(text: str) -> None:
    """Print a line, once for all ranks."""
    if rank() == 0:
        print(text, flush=True)


def device_named(name: str) -> torch.device:
    """The device of this rank: `auto` is its own GPU, or the processor where there is none."""
    if name != "auto":
        try:
            return torch.empty(0, device=name).device
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            reason = str(error).splitlines()[0]
            raise UserError(
                f"the device {name!r} cannot be used here ({reason}); try cpu"
            ) from None
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))


def shared_parts(parts: int) -> list[int | None]:
    """Which parts of an update this rank computes, one a round; None where it has none left.

    All ranks have equally many rounds, as they wait for each other in each.
    """
    rounds = -(-parts // ranks())
    mine = (turn * ranks() + rank() for turn in range(rounds))
    return [part if part < parts else None for part in mine]


def summed(values: dict[str, Tensor]) -> dict[str, Tensor]:
    """Scalars by name, each the sum over all ranks."""
    if ranks() == 1:
        return values
    together = torch.stack([values[name].float() for name in sorted(values)])
    dist.all_reduce(together)
    return dict(zip(sorted(values), together, strict=True))


def any_rank(flag: bool) -> bool:
    """Whether the flag is set on one rank or another."""
    if ranks() == 1:
        return flag
    together = torch.tensor(int(flag))
    dist.all_reduce(together, op=dist.ReduceOp.MAX)
    return bool(together)


def wait_for_ranks() -> None:
    """Go on when all ranks have come so far, however long one takes."""
    if ranks() > 1:
        with warnings.catch_warnings():  # of NCCL, which isn't asked
            warnings.simplefilter("ignore")
            dist.barrier(group=_patient())


@functools.cache
def _patient() -> dist.ProcessGroup:
    return dist.new_group(backend="gloo", timeout=LONGEST_TURN)


def in_turn(work: Callable[[], Result]) -> Result:
    """Call `work`, which leaves files that it finds again: rank 0 first, then the first rank of
    each machine (whose disk may be its own), then the others."""
    join_ranks()
    mine = 0 if rank() == 0 else 1 if os.environ.get("LOCAL_RANK") == "0" else 2
    result = None
    for turn in range(3 if ranks() > 1 else 1):
        if turn == mine:
            result = work()
        wait_for_ranks()
    return result

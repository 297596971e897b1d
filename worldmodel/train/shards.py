"""Tensors that ranks write and read together: a folder of safetensors, no pickle in it.

PyTorch's distributed checkpoint decides who writes and reads what, so that any number of ranks
can read what any other number has written.
"""

import os
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch import Tensor

from worldmodel.data.atomic import partial_of, sync, write_json
from worldmodel.data.records import read_json
from worldmodel.errors import UserError
from worldmodel.train.ranks import any_rank, rank, wait_for_ranks

NOTE = "note.json"


def write_shards(folder: Path, tensors: dict[str, Tensor], note: dict[str, Any]) -> None:
    """Write `folder`, which appears only when every rank's part of it is on the disk.

    Called by all ranks. Raises UserError on all of them when one can't write.
    """
    partial = partial_of(folder)
    if rank() == 0:
        shutil.rmtree(partial, ignore_errors=True)
    wait_for_ranks()
    error = _tried(lambda: _save(partial, tensors))
    error = error or _tried(lambda: _finish(partial, folder, note) if rank() == 0 else None)
    if any_rank(error is not None):
        if rank() == 0:
            shutil.rmtree(partial, ignore_errors=True)
        raise UserError(
            f"could not save {folder} ({error or 'another rank could not'}); the state before it "
            "is intact: make room, and the same command goes on from there"
        )


def _tried(work: Callable[[], None]) -> str | None:
    """What went wrong, so that all ranks can hear of it before one leaves."""
    try:
        work()
    except (OSError, dcp.CheckpointException) as error:
        causes = list(error.failures.values()) if hasattr(error, "failures") else []
        cause = causes[0][0] if causes and isinstance(causes[0], tuple) else error
        return " ".join(str(cause).split())
    return None


def _save(partial: Path, tensors: dict[str, Tensor]) -> None:
    writer = dcp.HuggingFaceStorageWriter(str(partial), save_distributed=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's, of its own deprecated parts
        dcp.save({name: tensor.detach() for name, tensor in tensors.items()}, storage_writer=writer)


def _finish(partial: Path, folder: Path, note: dict[str, Any]) -> None:
    write_json(partial / NOTE, note)
    for path in partial.iterdir():
        sync(path)
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(partial, folder)
    sync(folder.parent)


def read_shards(folder: Path, targets: dict[str, Tensor]) -> None:
    """Fill `targets`, whole or split over ranks in any way, in place."""
    reader = dcp.HuggingFaceStorageReader(str(folder))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dcp.load(targets, storage_reader=reader, no_dist=not dist.is_initialized())


def shard_sizes(folder: Path) -> dict[str, tuple]:
    """The whole shape of every tensor in a folder of shards."""
    found = dcp.HuggingFaceStorageReader(str(folder)).read_metadata().state_dict_metadata
    return {name: tuple(about.size) for name, about in found.items()}


def shards_note(folder: Path) -> dict[str, Any]:
    """The note that `write_shards` was given."""
    return read_json(folder / NOTE)

"""A run's state on disk: weights, averaged weights and moments, saved whole or not at all.

One process writes `state.safetensors`; ranks that share the weights write `state-<step>/`. Either
is read by any number of ranks.
"""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from worldmodel.data.atomic import sync
from worldmodel.errors import UserError
from worldmodel.train.sharding import like
from worldmodel.train.shards import read_shards, shard_sizes, shards_note, write_shards

Optimisers = list[torch.optim.Optimizer]
STATE = "state.safetensors"
MOMENT = "moment."
LONGEST_HEADER = 100_000_000  # bytes, as safetensors has it


def save_state(
    path: Path,
    step: int,
    network: nn.Module,
    average: nn.Module,
    optimisers: Optimisers,
    meter: dict[str, Any] | None = None,
) -> None:
    """Write everything update `step` needs to go on; a crash leaves the previous state intact.

    A path that ends in .safetensors gets one file; any other is a folder of shards that all ranks
    write together. `meter` is what the log has not told yet. Raises UserError when it can't.
    """
    tensors = _weights(network, average)
    for optimiser in optimisers:
        for name, parameter in network.named_parameters():
            for key, moment in optimiser.state.get(parameter, {}).items():
                tensors[f"{MOMENT}{key}.{name}"] = moment
    if path.suffix == ".safetensors":
        note = {"step": str(step), "meter": json.dumps(meter or {})}
        write_atomically(path, tensors, note)
    else:
        write_shards(path, tensors, {"step": step, "meter": meter or {}})


def write_atomically(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Write a safetensors file that is either old or new, never half."""
    temporary = path.with_suffix(".partial")
    try:
        copies = {k: v.detach().cpu().clone().contiguous() for k, v in tensors.items()}
        save_file(copies, temporary, metadata=metadata)
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        sync(path.parent)
    except (OSError, SafetensorError) as error:
        temporary.unlink(missing_ok=True)
        raise UserError(
            f"could not save {path} ({error}); the state before it is intact: "
            "make room, and the same command goes on from there"
        ) from None


def load_state(path: Path, network: nn.Module, average: nn.Module, optimisers: Optimisers) -> int:
    """Restore what `save_state` wrote; returns the number of updates already made.

    Nothing is restored when the state is damaged or of other sizes: raises UserError.
    """
    try:
        step, sizes = int(state_note(path)["step"]), _sizes(path)
        targets = _weights(network, average)
        _require_equal({name: tuple(t.shape) for name, t in targets.items()}, sizes)
        moments = _moments(network, optimisers, sizes, step)
        _fill(path, targets | moments)
    except (OSError, SafetensorError, RuntimeError, ValueError, KeyError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"{path} is no training state for this configuration ({reason}); "
            "choose another run folder or the run's own options"
        ) from None
    return step


def latest_state(run: Path) -> Path | None:
    """The state in a run folder from which most updates have been made, or None."""
    found = [path for path in (run / STATE, *run.glob("state-*")) if path.exists()]
    return max(found, key=lambda path: int(state_note(path)["step"]), default=None)


def forget_states(run: Path, kept: Path) -> None:
    """Delete the states of a run folder that `kept` has taken the place of."""
    for path in (run / STATE, *run.glob("state-*")):
        if path != kept:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def saved_step(run: Path) -> int:
    """Updates behind the state that a run folder holds; 0 without one."""
    state = latest_state(run)
    return int(state_note(state)["step"]) if state else 0


def state_note(path: Path) -> dict[str, Any]:
    """`step` and `meter` of a state. Raises UserError when it can't be read.

    A file is opened once, so that one which is being replaced is read before or after.
    """
    if path.is_dir():
        return shards_note(path)
    try:
        with open(path, "rb") as file:
            length = int.from_bytes(file.read(8), "little")  # safetensors: a length, then JSON
            note = json.loads(file.read(min(length, LONGEST_HEADER)))["__metadata__"]
        return {"step": int(note["step"]), "meter": json.loads(note.get("meter", "{}"))}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path} is no training state for this configuration ({error}); "
            "choose another run folder, or delete it to begin again"
        ) from None


def _weights(network: nn.Module, average: nn.Module) -> dict[str, Tensor]:
    tensors = {f"network.{k}": v for k, v in network.state_dict().items()}
    return tensors | {f"average.{k}": v for k, v in average.state_dict().items()}


def _moments(
    network: nn.Module, optimisers: Optimisers, sizes: dict[str, tuple], step: int
) -> dict[str, Tensor]:
    """Empty moments in the optimisers' states, to be filled."""
    targets = {}
    alike = not any(name.startswith(f"{MOMENT}step.") for name in sizes)  # older states
    for name in (n.removeprefix(MOMENT) for n in sizes if n.startswith(MOMENT)):
        key, _, parameter_name = name.partition(".")
        parameter = network.get_parameter(parameter_name)
        for optimiser in optimisers:
            if any(parameter is p for group in optimiser.param_groups for p in group["params"]):
                own = optimiser.state[parameter]
                if alike and key == "exp_avg":  # AdamW's own count
                    own["step"] = torch.tensor(float(step))
                empty = torch.tensor(0.0) if key == "step" else torch.zeros_like(parameter)
                optimiser.state[parameter] = {**own, key: empty.detach()}
                targets[f"{MOMENT}{name}"] = optimiser.state[parameter][key]
    return targets


def _require_equal(wanted: dict[str, tuple], found: dict[str, tuple]) -> None:
    found = {name: size for name, size in found.items() if not name.startswith(MOMENT)}
    for name in sorted(wanted.keys() | found.keys()):
        if wanted.get(name) != found.get(name):
            raise ValueError(f"{name}: expected {wanted.get(name)}, found {found.get(name)}")


def _sizes(path: Path) -> dict[str, tuple]:
    """The shape of every tensor in a state."""
    if path.is_dir():
        return shard_sizes(path)
    with safe_open(path, framework="pt") as file:
        return {k: tuple(file.get_slice(k).get_shape()) for k in file.keys()}  # noqa: SIM118


@torch.no_grad()
def _fill(path: Path, targets: dict[str, Tensor]) -> None:
    if path.is_dir():
        read_shards(path, targets)
        return
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in targets}
    for name, target in targets.items():
        target.copy_(like(tensors[name], target))

"""What is kept of an update whose loss or gradient was not finite, so that it can be replayed."""

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from worldmodel.data.atomic import write_json
from worldmodel.data.records import read_json
from worldmodel.errors import UserError
from worldmodel.train.config import TrainConfig
from worldmodel.train.gradients import Gradients
from worldmodel.train.ranks import rank
from worldmodel.train.sharding import whole
from worldmodel.train.state import STATE, Optimisers, save_state, write_atomically

NOTE = "offence.json"
SEVERAL = 10  # names in a list that a person reads


def not_finite(values: dict[str, Tensor]) -> list[str]:
    """The names of the values that are NaN or infinite."""
    return [name for name, value in values.items() if not math.isfinite(float(value))]


def save_offence(
    run: Path,
    step: int,
    values: dict[str, Tensor],
    gradients: Gradients,
    average: nn.Module,
    optimisers: Optimisers,
    config: TrainConfig,
) -> Path:
    """Write `run/offence-<step>`: a run folder that stands before the offending update.

    It has the state before it, the batches of its parts and a note that says where what is not
    finite was seen first. Called by all ranks. In a replay nothing is written again.
    """
    folder = run if (run / NOTE).exists() else run / f"offence-{step:06d}"
    named = {name: whole(p.grad) for name, p in gradients.network.named_parameters() if _has(p)}
    bad = [name for name, gradient in named.items() if not gradient.isfinite().all()]
    if folder == run:
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    state = folder / (f"state-{step:06d}" if config.shard else STATE)
    if config.shard or rank() == 0:
        save_state(state, step, gradients.network, average, optimisers)
    for part, batch in gradients.batches.items():
        tensors = {str(i): tensor for i, tensor in enumerate(batch)}
        write_atomically(folder / f"batch-{part:06d}.safetensors", tensors, {"part": str(part)})
    if rank() == 0:
        note: dict[str, Any] = {"step": step, "seed": config.seed, "accumulate": config.accumulate}
        note["values"] = {name: str(float(value)) for name, value in values.items()}
        note["gradients_not_finite"] = bad[:SEVERAL] + (["..."] if len(bad) > SEVERAL else [])
        note["weights_not_finite"] = _bad_weights(gradients.network)
        note["batch_not_finite"] = [
            part for part, batch in gradients.batches.items() if not all(map(_finite, batch))
        ]
        if (run / "config.json").exists():
            write_json(folder / "config.json", read_json(run / "config.json"))
        write_json(folder / NOTE, note)
    return folder


def _has(parameter: Tensor) -> bool:
    return parameter.grad is not None


def _finite(tensor: Tensor) -> bool:
    return bool(tensor.isfinite().all()) if tensor.is_floating_point() else True


@torch.no_grad()
def _bad_weights(network: nn.Module) -> list[str]:
    if any(hasattr(p, "full_tensor") for p in network.parameters()):
        return []  # split over ranks; the gradients tell enough
    return [name for name, p in network.named_parameters() if not p.isfinite().all()][:SEVERAL]


def offence(names: list[str], step: int, folder: Path, state: Path | None) -> UserError:
    """The sentence for a run that stops at an offending update."""
    good = f"the last good state is in {state}" if state else "no state was saved"
    again = "resume" if state else "start again"
    return UserError(
        f"the {names[0]} was not finite at step {step}; {good}: lower the learning "
        f"rate and {again}, or replay the step with --run {folder}, where {NOTE} says more"
    )

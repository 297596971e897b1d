"""A run's state on disk: weights, averaged weights and moments, saved whole or not at all."""

import json
import os
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from worldmodel.errors import UserError

Optimisers = list[torch.optim.Optimizer]
MOMENT = "moment."


def save_state(
    path: Path, step: int, network: nn.Module, average: nn.Module, optimisers: Optimisers
) -> None:
    """Write everything update `step` needs to go on; a crash leaves the previous file intact."""
    tensors = {f"network.{k}": v for k, v in network.state_dict().items()}
    tensors |= {f"average.{k}": v for k, v in average.state_dict().items()}
    for optimiser in optimisers:
        for name, parameter in network.named_parameters():
            for key, moment in optimiser.state.get(parameter, {}).items():
                if key != "step":
                    tensors[f"{MOMENT}{key}.{name}"] = moment
    write_atomically(path, tensors, {"step": str(step)})


def write_atomically(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    temporary = path.with_suffix(".partial")
    try:
        copies = {k: v.detach().clone().contiguous() for k, v in tensors.items()}
        save_file(copies, temporary, metadata=metadata)
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except (OSError, SafetensorError) as error:
        temporary.unlink(missing_ok=True)
        raise UserError(f"could not save {path} ({error}); the state before it is intact") from None


def load_state(path: Path, network: nn.Module, average: nn.Module, optimisers: Optimisers) -> int:
    """Restore what `save_state` wrote; returns the number of updates already made."""
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            step = int(file.metadata()["step"])
        network.load_state_dict(_under("network.", tensors))
        average.load_state_dict(_under("average.", tensors))
    except (OSError, SafetensorError, RuntimeError, KeyError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"{path} is no training state for this configuration ({reason}); "
            "choose another run folder or the run's own options"
        ) from None
    moments = _under(MOMENT, tensors)
    for optimiser in optimisers:
        own = {id(p) for group in optimiser.param_groups for p in group["params"]}
        for name, parameter in network.named_parameters():
            found = {k.split(".")[0]: v for k, v in moments.items() if k.partition(".")[2] == name}
            if id(parameter) in own and found:
                moved = {k: v.to(parameter.device) for k, v in found.items()}
                optimiser.state[parameter] = {"step": torch.tensor(float(step)), **moved}
    return step


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


class RunLog:
    """One JSON object a line, appended; lines at or after a resumed step are dropped first."""

    def __init__(self, path: Path, resumed_at: int) -> None:
        kept = [line for line in _complete_lines(path) if json.loads(line)["step"] <= resumed_at]
        path.write_text("".join(f"{line}\n" for line in kept))
        self.path = path

    def write(self, record: dict[str, object]) -> None:
        with self.path.open("a") as file:
            file.write(json.dumps(record) + "\n")


def _complete_lines(path: Path) -> list[str]:
    if not path.exists():
        return []
    lines = path.read_text().split("\n")
    return [line for line in lines[:-1] if line.startswith("{") and line.endswith("}")]

"""Weight files: safetensors, nothing that executes; written whole or not at all, read strictly."""

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from worldmodel.errors import UserError
from worldmodel.records import from_json


def tensors_hash(tensors: dict[str, Tensor]) -> str:
    """16 hexadecimal digits that name these tensors: their names, shapes and bytes."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()[:16]


def save_network(path: Path, network: nn.Module, **header: str) -> None:
    """Write any network that has a configuration, with it and what else is given in the header."""
    config = json.dumps(dataclasses.asdict(network.config))
    save_weights(path, network, {"config": config, **header})


def load_network(path: Path, network: type, kind: type) -> Any:
    """Read what `save_network` wrote, as a `network` of the configuration `kind`, to evaluate.

    Raises UserError: missing or damaged files, another kind of network.
    """
    tensors = load_weights(path)
    text = load_header(path).get("config")
    if text is None:
        raise UserError(f"{path} has no configuration of a {network.__name__.lower()} in it")
    try:
        record = dict(json.loads(text))
    except (ValueError, TypeError) as error:
        raise UserError(f"{path} is damaged ({error}); copy the checkpoint again") from None
    loaded = network(from_json(kind, record, str(path)))
    fill(loaded, tensors, path)
    return loaded.eval()


def load_header(path: Path) -> dict[str, str]:
    """What a weight file that can be read says of itself."""
    with safe_open(path, framework="pt") as file:
        return file.metadata() or {}


def save_weights(path: Path, network: nn.Module, header: dict[str, str]) -> None:
    """Write the tensors of a network, with what else is given in the header."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    tensors = {k: v.detach().cpu().contiguous().clone() for k, v in network.state_dict().items()}
    save_file(tensors, partial, metadata=header)
    partial.replace(path)


def load_weights(path: Path) -> dict[str, Tensor]:
    """Read all tensors of a file. Raises UserError."""
    if not path.is_file():
        raise UserError(f"{path} is missing; copy the checkpoint again")
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(f"{path} is damaged ({error}); copy the checkpoint again") from None


def fill(network: nn.Module, tensors: dict[str, Tensor], path: Path) -> None:
    """Give a network its tensors, read from `path`. Raises UserError when they do not fit."""
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        detail = str(error).splitlines()[-1].strip()
        raise UserError(
            f"{path} does not fit its configuration ({detail}); copy the checkpoint again"
        ) from None

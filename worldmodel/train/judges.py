"""The stage that trains the judge of keys: it reads from pictures which keys were held."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import torch

from worldmodel.checkpoint import load_network, save_network
from worldmodel.data.clips import FrameStore, known
from worldmodel.errors import UserError
from worldmodel.games.base import ControlSpace
from worldmodel.model.inverse_dynamics import InverseDynamics, InverseDynamicsConfig
from worldmodel.train.config import TrainConfig
from worldmodel.train.loop import train
from worldmodel.train.objectives.inverse_dynamics import InverseConfig, InverseDynamicsLoss
from worldmodel.train.stages import note_configuration
from worldmodel.weights import load_header

IDM = "idm.safetensors"


def train_idm(
    data: Path,
    run: Path,
    sizes: InverseDynamicsConfig,
    config: TrainConfig,
    draws: InverseConfig,
) -> InverseDynamics:
    """Train an inverse dynamics model on `data/train`; ends with `run/idm.safetensors`.

    Buttons and axes are those of the data; frames whose controls are unknown are left out. Returns
    averaged weights. Raises UserError when the data has no button or no known clip.
    """
    store, heldout = FrameStore(data / "train"), FrameStore(data / "heldout")
    space = store.space
    sizes = dataclasses.replace(sizes, buttons=space.buttons, axes=space.axes)
    note_configuration(run, {"idm": sizes, "draws": draws, "train": config})
    torch.manual_seed(config.seed)
    network = InverseDynamics(sizes).to(memory_format=torch.channels_last)
    network.unit.copy_(axis_units(store))
    objective = InverseDynamicsLoss(store, heldout, config, draws)
    return train(network, objective, config, run, lambda average: save_idm(run, average, space))


def axis_units(store: FrameStore) -> torch.Tensor:
    """Root mean square [axes] of each axis where it is known."""
    axes = store.controls[:, len(store.space.buttons) :][known(store)]
    return torch.as_tensor(np.sqrt(np.square(axes).mean(0)).clip(1e-6)).float()


def save_idm(folder: Path, network: InverseDynamics, space: ControlSpace) -> None:
    """Write idm.safetensors, with the world's keys in its header."""
    save_network(folder / IDM, network, controls=json.dumps(space.to_json()))


def load_idm(path: Path) -> tuple[InverseDynamics, ControlSpace]:
    """The model of a run folder or of a file, and the controls that it reads. Raises UserError."""
    path = path / IDM if path.is_dir() else path
    if not path.is_file():
        raise UserError(f"{path} is missing; make it with worldmodel train idm")
    network = load_network(path, InverseDynamics, InverseDynamicsConfig)
    try:
        space = ControlSpace.from_json(json.loads(load_header(path)["controls"]))
    except (KeyError, ValueError, TypeError) as error:
        raise UserError(
            f"{path} does not say which controls it reads ({error!r}); train it again"
        ) from None
    return network.to(memory_format=torch.channels_last), space

"""Stages that train judges: networks that read from pictures what a world should have shown."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import torch

from worldmodel.checkpoint import load_header, load_network, save_network
from worldmodel.data.clips import FrameStore, known
from worldmodel.data.replay import recorded_poses, require_pose
from worldmodel.errors import UserError
from worldmodel.games.base import ControlSpace
from worldmodel.games.catalogue import open_game
from worldmodel.model.inverse_dynamics import InverseDynamics, InverseDynamicsConfig
from worldmodel.model.pose import PoseConfig, PoseRegressor
from worldmodel.train.config import TrainConfig
from worldmodel.train.loop import train
from worldmodel.train.objectives.inverse_dynamics import InverseConfig, InverseDynamicsLoss
from worldmodel.train.objectives.pose import PoseLoss
from worldmodel.train.stages import note_configuration

IDM, POSE = "idm.safetensors", "pose.safetensors"


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
    return torch.from_numpy(np.sqrt(np.square(axes).mean(0)).clip(1e-6)).float()


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


def train_pose(
    data: Path, run: Path, sizes: PoseConfig, config: TrainConfig, *, episodes: int = 120
) -> PoseRegressor:
    """Train a pose regressor on `data/train`; ends with `run/pose.safetensors`.

    Recordings hold no poses: the game plays its first `episodes` again to tell them (and a tenth
    as many held-out ones). Returns averaged weights. Raises UserError when the game is not there,
    tells no poses or does not replay.
    """
    store, heldout = FrameStore(data / "train"), FrameStore(data / "heldout")
    sizes = dataclasses.replace(sizes, game=store.game)
    note_configuration(run, {"pose": sizes, "train": config})
    with open_game(store.game, store.size) as game:
        require_pose(game)
        poses = recorded_poses(game, store, episodes, run / "poses-train.npy")
        few = max(1, episodes // 10)
        judged = recorded_poses(game, heldout, few, run / "poses-heldout.npy")
    torch.manual_seed(config.seed)
    network = PoseRegressor(sizes).to(memory_format=torch.channels_last)
    network.middle.copy_(torch.from_numpy(poses[:, :2].mean(0)))
    network.extent.copy_(torch.from_numpy(poses[:, :2].std(0).clip(1e-6)))
    objective = PoseLoss(store.frames, poses, heldout.frames, judged, config)
    return train(network, objective, config, run, lambda net: save_network(run / POSE, net))


def load_pose(path: Path) -> PoseRegressor:
    """The regressor of a run folder or of a file. Raises UserError."""
    path = path / POSE if path.is_dir() else path
    if not path.is_file():
        raise UserError(f"{path} is missing; make it with worldmodel train pose")
    return load_network(path, PoseRegressor, PoseConfig).to(memory_format=torch.channels_last)

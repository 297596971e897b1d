"""The contact's stage: a motion network learns what the player's figure cannot pass."""

import dataclasses
from pathlib import Path

import torch

from worldmodel.checkpoint import save_motion
from worldmodel.data.clips import FrameStore
from worldmodel.data.provenance import source_of
from worldmodel.errors import UserError
from worldmodel.model.contact import Contact, window_around
from worldmodel.model.motion import Motion
from worldmodel.model.tokenizer import PATCH
from worldmodel.train.config import TrainConfig
from worldmodel.train.devices import on_its_device
from worldmodel.train.loop import train
from worldmodel.train.objectives.sinking import FARTHEST, Sinking
from worldmodel.train.ranks import in_turn
from worldmodel.train.stages import _sources_of, note_configuration, note_sources, open_motion


@on_its_device
def train_contact(data: Path, motion: Path, run: Path, config: TrainConfig) -> Motion:
    """Train a contact for the motion network of a file or run folder, which stays as it is
    otherwise; ends with both in `run/motion.safetensors`. One that it has is trained on.

    Raises UserError when the network keeps nothing off-screen, the data are of another size,
    nothing stays on the screen, or nothing is ever stopped.
    """
    mover = open_motion(motion)
    store, heldout = FrameStore(data / "train"), FrameStore(data / "heldout")
    if mover.config.margin is None:
        raise UserError(
            f"{motion} keeps nothing off-screen, and so not what a figure hides; train it with "
            "--offscreen ROWS COLUMNS"
        )
    size = tuple(PATCH * cells for cells in mover.config.grid)
    if store.size != size:
        raise UserError(
            f"{store.folder} has frames of {store.size}, but {motion} moves those of {size}"
        )
    objective = in_turn(lambda: Sinking(store, heldout, config.parts()))  # measures ways once
    window = window_around(objective.stays, margin=2 * round(FARTHEST))
    sizes = dataclasses.replace(mover.config, contact=window)
    note_configuration(run, {"motion": sizes, "train": config})
    note_sources(run, [source_of(store), *_sources_of(motion)])
    torch.manual_seed(config.seed)
    contact = Contact(window, size)
    if mover.config.contact == window:
        contact.load_state_dict(mover.contact.state_dict())  # goes on from that
    contact.stays.copy_(objective.stays)
    found = train(
        contact, objective, config, run, lambda average: save_motion(run, held(mover, average))
    )
    return held(mover, found)


def held(mover: Motion, contact: Contact) -> Motion:
    """A motion network like `mover` with this contact."""
    found = Motion(dataclasses.replace(mover.config, contact=contact.window))
    own = {k: v for k, v in mover.state_dict().items() if not k.startswith("contact.")}
    own |= {f"contact.{k}": v for k, v in contact.state_dict().items()}
    found.load_state_dict(own)
    return found

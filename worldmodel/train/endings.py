"""The ending's stage: a small network learns to tell that a level is over."""

import dataclasses
from pathlib import Path

import torch

from worldmodel.checkpoint import ENDING, save_network
from worldmodel.data.clips import FrameStore
from worldmodel.data.provenance import source_of
from worldmodel.errors import UserError
from worldmodel.model.contact import window_around
from worldmodel.model.ending import MULTIPLE, Ending, EndingConfig
from worldmodel.model.motion import Motion
from worldmodel.train.config import TrainConfig
from worldmodel.train.devices import on_its_device
from worldmodel.train.finished import open_world
from worldmodel.train.loop import train
from worldmodel.train.objectives.ending import Ends
from worldmodel.train.stages import note_configuration, note_sources

AROUND = 26  # pixels around the player's figure that are looked at


@on_its_device
def train_ending(data: Path, checkpoint: Path, run: Path, config: TrainConfig) -> Ending:
    """Train what tells that a level is over, for the world in `checkpoint`; ends with
    `run/ending.safetensors`.

    It looks around the player's figure, where the world has a contact and so knows it, or at the
    whole picture. Raises UserError when the world has no motion, the data do not fit, or too few
    episodes were ended by the game.
    """
    world, store = open_world(checkpoint, data), FrameStore(data / "train")
    if world.motion is None:
        raise UserError(f"{checkpoint} has no motion network, and levels end in worlds that do")
    about = EndingConfig(size=store.size, window=looked_at(world.motion, store.size))
    note_configuration(run, {"ending": about, "train": config})
    note_sources(run, [source_of(store)])
    torch.manual_seed(config.seed)
    network = Ending(about)
    contact = world.motion.contact
    stays = None if contact is None else contact.stays
    objective = Ends(store, FrameStore(data / "heldout"), config, stays)

    def publish(average: Ending) -> Ending:
        bar = objective.threshold(average)
        average.config = dataclasses.replace(about, threshold=bar)
        save_network(run / ENDING, average)
        return average

    return publish(train(network, objective, config, run, publish))


def looked_at(motion: Motion, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The window around the figure of a motion's contact, or the whole picture without one; its
    height and width are multiples of MULTIPLE."""
    window = (0, 0, *size)
    if motion.contact is not None:
        window = window_around(motion.contact.stays, AROUND)
        window = window if window[2] and window[3] else (0, 0, *size)
    return (*window[:2], *(n // MULTIPLE * MULTIPLE for n in window[2:]))

"""Commands around control: judges of it, and labels for video without keys.

Imports stand inside, so that `worldmodel --help` does not wait for PyTorch.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from worldmodel.cli.command import Commands, Run
from worldmodel.cli.options import add_options, chosen
from worldmodel.cli.training import TRAIN

PICTURES = "arrays that `worldmodel prepare` wrote"
IDM_SIZES = {
    "height": "height at which it looks at a frame, in pixels",
    "width": "width at which it looks at a frame, in pixels",
    "features": "channels of its convolutions",
    "code": "numbers that a transition becomes",
    "reach": "transitions that it looks back and ahead",
}
IDM_DRAWS = {
    "clip": "frames of a training clip",
    "moving": "share of the clips drawn in proportion to their motion",
    "disturbed": "share of the clips shown blurred and in other light",
}
IDM_TRAINING = {
    "steps": 1200, "batch": 12, "learning_rate": 2e-3, "warmup": 50, "ema": 0.99,
    "validate_every": 200, "picture_every": 400, "save_every": 100,
}  # fmt: skip


def train_idm(parser: ArgumentParser) -> Run:
    from worldmodel.model.inverse_dynamics import InverseDynamicsConfig
    from worldmodel.train.config import TrainConfig
    from worldmodel.train.judges import train_idm
    from worldmodel.train.objectives.inverse_dynamics import InverseConfig

    _add_data_and_run(parser, "runs/idm")
    add_options(parser.add_argument_group("sizes"), InverseDynamicsConfig, IDM_SIZES)
    add_options(parser.add_argument_group("clips"), InverseConfig, IDM_DRAWS)
    add_options(parser.add_argument_group("training"), TrainConfig, TRAIN, **IDM_TRAINING)

    def run(options: Namespace) -> None:
        # the data decide the buttons
        sizes = InverseDynamicsConfig(buttons=("any",), **chosen(options, IDM_SIZES))
        draws = InverseConfig(**chosen(options, IDM_DRAWS))
        train_idm(options.data, options.run, sizes, TrainConfig(**chosen(options, TRAIN)), draws)

    return run


def _add_data_and_run(parser: ArgumentParser, default: str) -> None:
    parser.add_argument("data", type=Path, help=PICTURES)
    text = f"folder of the run; one begun there goes on (default: {default})"
    parser.add_argument("--run", type=Path, default=Path(default), help=text)


COMMANDS: Commands = {
    "train idm": (train_idm, "train the judge that reads from pictures which keys were held"),
}

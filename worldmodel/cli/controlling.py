"""Commands around control: judges of it, and labels for video without keys.

Imports stand inside, so that `worldmodel --help` does not wait for PyTorch.
"""

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path

from worldmodel.cli.command import Commands, Run, add_json
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


POSE_SIZES = {
    "height": "height at which it looks at a frame, in pixels",
    "width": "width at which it looks at a frame, in pixels",
    "features": "channels of its convolutions",
    "code": "numbers that a picture becomes",
}
POSE_TRAINING = {
    "steps": 6000, "batch": 48, "learning_rate": 1.5e-3, "warmup": 50, "ema": 0.99,
    "validate_every": 500, "picture_every": 2000, "save_every": 250,
}  # fmt: skip
CONTROL = {
    "clips": "held-out clips on which keys are read",
    "forks": "places from which the true game is played; 0 for none",
    "steps": "sampler steps a frame; the checkpoint's own unless given",
    "only": "one part: keys, response, counterfactual or turn; all unless given",
}
BLIND = {
    "answers": "file that keeps the answers, a JSON object a line",
    "trials": "pairs of clips, half of them of each length",
    "host": "address",
    "port": "port",
    "seed": "what clips and dreams are drawn from",
}
LABEL = {
    "threshold": "confidence below which a frame's keys stay unknown",
    "everything": "replace recorded keys too",
}
HIDE = {
    "share": "share of the training episodes whose keys are hidden",
    "episodes": "training episodes to take, the first ones; 0 takes all",
    "seed": "what hidden episodes are drawn from",
}


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


def train_pose(parser: ArgumentParser) -> Run:
    from worldmodel.model.pose import PoseConfig
    from worldmodel.train.config import TrainConfig
    from worldmodel.train.judges import train_pose

    _add_data_and_run(parser, "runs/pose")
    add_options(parser, train_pose, {"episodes": "training episodes that the game plays again"})
    add_options(parser.add_argument_group("sizes"), PoseConfig, POSE_SIZES)
    add_options(parser.add_argument_group("training"), TrainConfig, TRAIN, **POSE_TRAINING)

    def run(options: Namespace) -> None:
        sizes = PoseConfig(game="any", **chosen(options, POSE_SIZES))  # the data's
        config = TrainConfig(**chosen(options, TRAIN))
        train_pose(options.data, options.run, sizes, config, episodes=options.episodes)

    return run


def control(parser: ArgumentParser) -> Run:
    from worldmodel.evaluate.control_report import control_sections, print_sections

    parser.add_argument("checkpoint", type=Path, help="world to judge")
    parser.add_argument("data", type=Path, help=PICTURES)
    for name, judge in {"idm": "reads keys", "pose": "reads places"}.items():
        where = f"the checkpoint's, else runs/{name}"
        text = f"run or file of the judge that {judge} (default: {where})"
        parser.add_argument(f"--{name}", type=Path, help=text)
    add_options(parser, control_sections, CONTROL)
    add_json(parser)

    def run(options: Namespace) -> None:
        sections = control_sections(
            options.checkpoint, options.data, idm=options.idm, pose=options.pose,
            **chosen(options, CONTROL),
        )  # fmt: skip
        if options.json:
            print(json.dumps([section.as_json() for section in sections]))
        else:
            print_sections(sections)

    return run


def blind(parser: ArgumentParser) -> Run:
    from worldmodel.evaluate.blind_page import blind

    parser.add_argument("checkpoint", type=Path, help="world whose dreams are shown")
    parser.add_argument("data", type=Path, help=PICTURES)
    add_options(parser, blind, BLIND)
    return lambda options: blind(options.checkpoint, options.data, **chosen(options, BLIND))


def _add_data_and_run(parser: ArgumentParser, default: str) -> None:
    parser.add_argument("data", type=Path, help=PICTURES)
    text = f"folder of the run; one begun there goes on (default: {default})"
    parser.add_argument("--run", type=Path, default=Path(default), help=text)


def label(parser: ArgumentParser) -> Run:
    from worldmodel.train.labels import label

    parser.add_argument("data", type=Path, help=f"{PICTURES}, without keys or with some unknown")
    parser.add_argument("--out", type=Path, required=True, help="folder for the labelled arrays")
    idm = Path("runs/idm")
    parser.add_argument("--idm", type=Path, default=idm, help=f"run or file (default: {idm})")
    parser.add_argument("--against", type=Path, help="arrays with recorded keys to compare with")
    add_options(parser, label, LABEL)
    return lambda options: label(
        options.data, options.out, idm=options.idm, against=options.against,
        **chosen(options, LABEL),
    )  # fmt: skip


def hide(parser: ArgumentParser) -> Run:
    from worldmodel.train.labels import hide

    parser.add_argument("data", type=Path, help=PICTURES)
    parser.add_argument("--out", type=Path, required=True, help="folder for arrays with less keys")
    add_options(parser, hide, HIDE)
    return lambda options: hide(options.data, options.out, **chosen(options, HIDE))


COMMANDS: Commands = {
    "label": (label, "give video without keys those that an inverse dynamics model reads"),
    "hide": (hide, "make keys unknown, to try what unlabelled video is worth"),
    "train idm": (train_idm, "train the judge that reads from pictures which keys were held"),
    "train pose": (train_pose, "train the judge that reads from a picture where it was taken"),
    "control": (control, "judge whether a world does what the keys say"),
    "blind": (blind, "ask people which of two clips is real"),
}

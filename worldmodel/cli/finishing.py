"""Commands about finished worlds and motion networks.

Imports stand inside, so that `worldmodel --help` does not wait for PyTorch.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterable
from pathlib import Path

from worldmodel.cli.command import Commands, Run
from worldmodel.cli.options import (
    add_changes,
    add_checkpoint,
    add_data,
    add_run,
    changed,
    chosen,
)
from worldmodel.cli.training import MOTION, TRAIN

PLAY = {
    "steps": "looks at a frame",
    "guidance": "how much more than the keys say",
    "context_noise": "noise on the remembered frames",
    "warm_start": "noise level at which begins what the motion network has moved along",
    "rest": "below so many pixels of motion without keys the frame stays as it is",
    "finishing_look": "look at a finished frame once more to remember it, not as its last look did",
}


def average(parser: ArgumentParser) -> Run:
    from worldmodel.train.averaging import average_worlds

    parser.add_argument("first", type=Path, help="world that the second was trained from")
    parser.add_argument("second", type=Path, help="world")
    parser.add_argument("out", type=Path, help="folder of the new one")
    text = "of the second one's weights (default: 0.75)"
    parser.add_argument("--share", type=float, default=0.75, metavar="N", help=text)
    return lambda options: average_worlds(options.first, options.second, options.out, options.share)


def configure(parser: ArgumentParser) -> Run:
    from worldmodel.checkpoint import PlayConfig
    from worldmodel.configure import configure
    from worldmodel.model.motion import MotionConfig

    add_checkpoint(parser, "world that is changed")
    parser.add_argument("--title", help="what players see it called")
    parser.add_argument("--motion", type=Path, help="file of another motion network for it")
    text = "file of an outpainter, which dreams off-screen what is about to come into view"
    parser.add_argument("--outpainter", type=Path, help=text)
    text = "file of an ending, which tells that the level is over and begins anew"
    parser.add_argument("--ending", type=Path, help=text)
    text = "file of an atlas, from which its map is known"
    parser.add_argument("--atlas", type=Path, help=text)
    text = "file that finds places of that map (default: the world's own pose.safetensors)"
    parser.add_argument("--pose", type=Path, help=text)
    text = "looks of its outpainter at what it dreams"
    parser.add_argument("--looks", type=int, metavar="N", help=text)
    text = "by how much the first of them go further than without attention; 1: not"
    parser.add_argument("--attention-guidance", type=float, metavar="N", help=text)
    kept = {name: MOTION[name] for name in ("detail", "bend", "offscreen", "astray")}
    add_changes(parser.add_argument_group("its motion"), MotionConfig(), kept, "usually ")
    add_changes(parser.add_argument_group("play"), PlayConfig(), PLAY, "usually ")

    def given(options: Namespace, names: Iterable[str]) -> dict[str, object]:
        return {k: v for k, v in chosen(options, names).items() if v is not None}

    def painting(options: Namespace) -> dict[str, object]:
        own = {"looks": options.looks, "guidance": options.attention_guidance}
        return {name: value for name, value in own.items() if value is not None}

    return lambda options: configure(
        options.checkpoint,
        given(options, ["title"]),
        given(options, PLAY),
        given(options, kept),
        options.motion,
        painted_by=options.outpainter,
        painting=painting(options),
        ended_by=options.ending,
        known_by=options.atlas,
        found_by=options.pose,
    )


def train_contact(parser: ArgumentParser) -> Run:
    from worldmodel.presets import TOUCHING
    from worldmodel.train.contacts import train_contact

    add_data(parser)
    parser.add_argument("motion", type=Path, help="motion network that gets it: a run or a file")
    add_run(parser, "runs/contact")
    add_changes(parser, TOUCHING, TRAIN)

    def run(options: Namespace) -> None:
        train_contact(options.data, options.motion, options.run, changed(TOUCHING, options, TRAIN))

    return run


def train_ending(parser: ArgumentParser) -> Run:
    from worldmodel.presets import ENDING
    from worldmodel.train.endings import train_ending

    add_data(parser)
    add_checkpoint(parser, "world whose levels end")
    add_run(parser, "runs/ending")
    add_changes(parser, ENDING, TRAIN)

    def run(options: Namespace) -> None:
        config = changed(ENDING, options, TRAIN)
        train_ending(options.data, options.checkpoint, options.run, config)

    return run


def train_exemplars(parser: ArgumentParser) -> Run:
    from worldmodel.train.recalling import PICTURES, keep_exemplars

    add_data(parser)
    parser.add_argument("outpainter", type=Path, help="file of the outpainter that gets them")
    add_run(parser, "runs/exemplars")
    text = f"pictures, of an episode each, that it keeps at most (default: {PICTURES})"
    parser.add_argument("--pictures", type=int, default=PICTURES, metavar="N", help=text)

    def run(options: Namespace) -> None:
        keep_exemplars(options.data, options.outpainter, options.run, pictures=options.pictures)

    return run


def train_atlas(parser: ArgumentParser) -> Run:
    from worldmodel.train.atlases import PICTURES, train_atlas

    add_data(parser)
    add_run(parser, "runs/atlas")
    text = f"pictures of the map that it keeps at most (default: {PICTURES})"
    parser.add_argument("--pictures", type=int, default=PICTURES, metavar="N", help=text)
    text = "training episodes that the game plays again (default: 0, all)"
    parser.add_argument("--episodes", type=int, default=0, metavar="N", help=text)

    def run(options: Namespace) -> None:
        given = {"pictures": options.pictures, "episodes": options.episodes}
        train_atlas(options.data, options.run, **given)

    return run


def scenes(parser: ArgumentParser) -> Run:
    from worldmodel.train.scenes import write_scenes

    add_data(parser)
    add_checkpoint(parser, "world that gets the scenes")
    parser.add_argument("--count", type=int, default=8, metavar="N", help="scenes (default: 8)")
    parser.add_argument(
        "--row",
        type=_named_row,
        action="append",
        default=[],
        metavar="NAME=N",
        help="a scene by its name and first held-out frame, not by choice (repeatable)",
    )
    return lambda options: write_scenes(
        options.data, options.checkpoint, count=options.count, rows=dict(options.row)
    )


def _named_row(text: str) -> tuple[str, int]:
    name, _, row = text.partition("=")
    if not name.replace("-", "").isalnum():
        raise ValueError("a name has letters, digits and hyphens")
    return name, int(row)


COMMANDS: Commands = {
    "average": (average, "put two worlds' weights together"),
    "configure": (configure, "change what needs no training: title, play, what motion keeps"),
    "train atlas": (train_atlas, "learn a game's map, so that a world knows all of it"),
    "train contact": (train_contact, "teach a motion network what the player's figure cannot pass"),
    "train ending": (train_ending, "teach a world when its levels are over, to begin anew"),
    "train exemplars": (train_exemplars, "give an outpainter recorded levels to recall"),
    "scenes": (scenes, "give a world opening scenes from held-out episodes"),
}

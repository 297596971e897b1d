"""The command line: `worldmodel <command>`. A command's own imports wait until it is chosen."""

import errno
import sys
from argparse import ArgumentParser

from worldmodel import __version__
from worldmodel.cli.commands import COMMANDS
from worldmodel.errors import UserError
from worldmodel.play.threads import wait_asleep

PLAYS = {"play", "film", "bench", "evaluate", "control", "record"}  # an engine runs in these
# though "bench" does
NONE_PLAY = {("bench", "train"), ("bench", "all"), ("bench", "page"), ("bench", "record")}
EXTRAS = {  # module -> pip extra
    **{"vizdoom": "train", "matplotlib": "evaluate", "onnxruntime": "gpu"},
    **dict.fromkeys(("h5py", "mcap", "pyarrow"), "import"),
    **dict.fromkeys(("cv2", "mss", "pynput", "Xlib"), "desktop"),
    **{"tensorboard": "dashboard", "pygame": "gamepad"},
}


def build_parser(words: list[str]) -> ArgumentParser:
    """The parser of all commands; the one that `words` begin with has its flags."""
    parser = ArgumentParser(prog="worldmodel", description="Train and play generated worlds.")
    parser.add_argument("--version", action="version", version=f"worldmodel {__version__}")
    groups = {"": parser.add_subparsers(metavar="command", required=True)}
    for name, (command, summary) in COMMANDS.items():
        group, _, last = name.rpartition(" ")
        if group not in groups:
            several = ", ".join(n for n in COMMANDS if n.startswith(f"{group} "))
            member = groups[""].add_parser(group, help=several, description=several)
            groups[group] = member.add_subparsers(metavar="what", required=True)
        own = groups[group].add_parser(last, help=summary, description=f"{summary.capitalize()}.")
        if words[: len(name.split())] == name.split():
            own.set_defaults(run_command=command(own))
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run a command; 0 when it did, 2 after a user's mistake, 130 when interrupted."""
    words = sys.argv[1:] if arguments is None else arguments
    if _plays(words):
        wait_asleep()
    try:
        options = build_parser(words).parse_args(words)
        return options.run_command(options) or 0
    except UserError as error:
        return _refuse(str(error))
    except ModuleNotFoundError as error:
        if error.name not in EXTRAS:
            raise
        return _refuse(
            f"this command needs {error.name}, which is not installed; "
            f'run pip install "worldmodel[{EXTRAS[error.name]}]"'
        )
    except OSError as error:
        if error.errno == errno.ENOSPC:
            return _refuse("the disk is full; make room and call the same command again")
        if error.filename is None:
            raise
        return _refuse(f"{error.filename} cannot be used ({error.strerror}); choose another path")
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def _plays(words: list[str]) -> bool:
    """Whether an engine will run in this process."""
    return bool(words) and words[0] in PLAYS and tuple(words[:2]) not in NONE_PLAY


def _refuse(sentence: str) -> int:
    print(f"worldmodel: {sentence}", file=sys.stderr)
    return 2

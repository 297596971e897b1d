"""All commands, in the order in which `worldmodel --help` lists them."""

from worldmodel.cli import gameplay, judging, playing, recording, training
from worldmodel.cli.command import Commands

COMMANDS: Commands = {
    **gameplay.COMMANDS,
    **recording.COMMANDS,
    **training.COMMANDS,
    **playing.COMMANDS,
    **judging.COMMANDS,
}

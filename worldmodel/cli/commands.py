"""All commands, in the order in which `worldmodel --help` lists them."""

from worldmodel.cli import gameplay, judging, playing, running, training
from worldmodel.cli.command import Commands

COMMANDS: Commands = {
    **gameplay.COMMANDS,
    **training.COMMANDS,
    **running.COMMANDS,
    **playing.COMMANDS,
    **judging.COMMANDS,
}

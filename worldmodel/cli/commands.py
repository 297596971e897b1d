"""All commands, in the order in which `worldmodel --help` lists them."""

from worldmodel.cli import gameplay, importing, judging, playing, training
from worldmodel.cli.command import Commands

COMMANDS: Commands = {
    **gameplay.COMMANDS,
    **importing.COMMANDS,
    **training.COMMANDS,
    **playing.COMMANDS,
    **judging.COMMANDS,
}

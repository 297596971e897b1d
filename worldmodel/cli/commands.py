"""All commands, in the order in which `worldmodel --help` lists them."""

from worldmodel.cli import controlling, gameplay, judging, playing, training
from worldmodel.cli.command import Commands

COMMANDS: Commands = {
    **gameplay.COMMANDS,
    **training.COMMANDS,
    **playing.COMMANDS,
    **judging.COMMANDS,
    **controlling.COMMANDS,
}

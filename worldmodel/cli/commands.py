"""All commands, in the order in which `worldmodel --help` lists them."""

from worldmodel.cli import (
    controlling,
    curating,
    distilling,
    evaluating,
    finishing,
    gameplay,
    importing,
    judging,
    playing,
    recording,
    running,
    training,
)
from worldmodel.cli.command import Commands

COMMANDS: Commands = {
    **gameplay.COMMANDS,
    **recording.COMMANDS,
    **importing.COMMANDS,
    **curating.COMMANDS,
    **training.COMMANDS,
    **finishing.COMMANDS,
    **running.COMMANDS,
    **distilling.COMMANDS,
    **playing.COMMANDS,
    **evaluating.COMMANDS,
    **judging.COMMANDS,
    **controlling.COMMANDS,
}

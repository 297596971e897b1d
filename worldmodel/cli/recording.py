"""Commands that record: any game on the desktop, the games we wrap, the dream.

Imports stand inside, so that `worldmodel --help` does not wait for PyTorch.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from worldmodel.cli.command import Commands, Run, add_json, report
from worldmodel.cli.options import add_options, chosen
from worldmodel.errors import UserError

DESKTOP = {
    "monitor": "monitor to record without --window or --region, from 1 on",
    "fps": "frames a second",
    "crop": "cut the sides to the shape of --size (without it: stretch)",
    "keys": "buttons by their keys, as 'KeyW=forward Space=jump'; every key pressed unless given",
    "mouse": "record its motion as look_x and look_y, and its buttons as Mouse0 to Mouse2",
    "gamepad": "record a gamepad's buttons as PadSouth and so on, its right stick as look",
    "latency": "milliseconds from a key to what it does on the screen",
    "skip_idle": "seconds without input after which nothing is recorded; never unless given",
    "name": "the game's name in the episodes; the window's title unless given",
    "licence": "of the frames, as the episodes state it; a game brings its own",
    "now": "begin at once, without waiting for the hotkey",
}
GAMES = {
    "episodes": "episodes to record; a person's go on until Escape",
    "frames": "frames of a player program's episode, at most",
    "seed": "first seed that is tried; those of episodes that are there are not used again",
    "scene": "a world's opening scene; all in turn unless given",
    "scale": "window pixels to a pixel of the game",
    "device": "PyTorch device of a world",
    "speed": "engine's speed setting of a world",
}
BOTH = {
    "size": "height and width of the stored frames",
    "longest": "seconds of an episode, at most; then another one begins",
    "split": "auto (one frame in ten is held out), train or heldout",
    "seconds": "end after so many seconds",
}
BENCH = {
    "seconds": "how long to record",
    "fps": "frames a second",
    "width": "width of the window that is recorded",
    "height": "height of the window that is recorded",
    "toolkit": "tk or sdl (needs pygame-ce): what draws the window",
    "seed": "what the keys are drawn from",
}


def record(parser: ArgumentParser) -> Run:
    from worldmodel.record.config import DesktopConfig, GameConfig

    parser.add_argument("data", type=Path, help="data set that the episodes are added to")
    add_options(parser, DesktopConfig, BOTH)
    desktop = parser.add_argument_group("the desktop")
    desktop.add_argument("--window", help="window by (a part of) its title; X11 only")
    desktop.add_argument(
        "--region",
        type=int,
        nargs=4,
        metavar=("X", "Y", "WIDTH", "HEIGHT"),
        help="part of the screen, in pixels",
    )
    desktop.add_argument(
        "--hotkeys",
        nargs=3,
        default=DesktopConfig.hotkeys,
        metavar=("BEGIN", "END", "DISCARD"),
        help="keys that begin and pause, end, and throw the episode away (default: F9 F10 F8)",
    )
    add_options(desktop, DesktopConfig, DESKTOP)
    games = parser.add_argument_group("a game or a world, in a window of its own")
    games.add_argument("--game", help="game by its name, as vizdoom/my_way_home")
    games.add_argument("--world", type=Path, help="checkpoint folder: record its dream")
    games.add_argument("--player", default="person", help="person, explorer, sticky or idle")
    add_options(games, GameConfig, GAMES)
    return _record


def _record(options: Namespace) -> None:
    if options.game is None and options.world is None:
        _record_desktop(options)
    else:
        _record_game(options)


def _record_desktop(options: Namespace) -> None:
    from worldmodel.record.config import DesktopConfig, GameConfig
    from worldmodel.record.desktop import record_desktop

    _refuse_others(options, GameConfig(), [*GAMES, "player"], "with --game or --world")
    region = tuple(options.region) if options.region else None
    given = {"window": options.window, "region": region, "hotkeys": tuple(options.hotkeys)}
    config = DesktopConfig(**given, **chosen(options, {**DESKTOP, **BOTH}))
    record_desktop(options.data, config)


def _record_game(options: Namespace) -> None:
    from worldmodel.record.config import DesktopConfig, GameConfig
    from worldmodel.record.games import record_game

    _refuse_others(options, DesktopConfig(), [*DESKTOP, "window", "region"], "for the desktop")
    given = {"game": options.game, "world": options.world, "player": options.player}
    record_game(options.data, GameConfig(**given, **chosen(options, {**GAMES, **BOTH})))


def _refuse_others(options: Namespace, unset: object, names: list[str], where: str) -> None:
    """Raise UserError for a flag that would be ignored."""
    for name in names:
        if vars(options)[name] != vars(unset)[name]:
            raise UserError(f"--{name.replace('_', '-')} is only {where}; leave it out")


def repair(parser: ArgumentParser) -> Run:
    from worldmodel.data.learned import unite
    from worldmodel.record.shelf import repair_and_tell

    parser.add_argument("data", type=Path, help="folder under which recorders were killed")

    def run(options: Namespace) -> None:
        if not options.data.is_dir():
            raise UserError(f"{options.data} is no folder; name the one that was recorded into")
        try:
            if not repair_and_tell(options.data):
                print(f"{options.data}: nothing to repair")
        finally:
            unite(options.data)

    return run


def bench_record(parser: ArgumentParser) -> Run:
    from worldmodel.record.bench import bench_record

    add_options(parser, bench_record, BENCH)
    add_json(parser)
    return lambda options: report(bench_record(**chosen(options, BENCH)), options.json)


COMMANDS: Commands = {
    "record": (record, "record a game on the desktop, a game that is wrapped, or a dream"),
    "repair": (repair, "finish the episodes that killed recorders left"),
    "bench record": (bench_record, "measure the recorder on a virtual display"),
}

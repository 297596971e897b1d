"""Commands that bring in what others recorded, and give out what was recorded here.

Imports stand inside, so that `worldmodel --help` does not wait for them.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from worldmodel.cli.command import Commands, Run
from worldmodel.cli.options import add_options, chosen

IMPORT = {
    "preview": "write nothing but a picture of frames with their keys beside OUT",
    "format": "vpt, owl, owamcap, csgo, lerobot, events or video; looked for unless given",
    "size": "height and width of a frame in pixels",
    "fps": "frames a second; the source's rate, halved until it is at most 30, unless given",
    "fit": "crop, letterbox or stretch",
    "mapping": "JSON file that says what columns and keys mean (docs/importing.md)",
    "controls": "folder of episodes whose controls these get",
    "shift": "frames of the source by which keys come too early, on top of the format's",
    "offset": "seconds by which events come too early against the video",
    "gap": "seconds without a frame that end an episode; the format's own unless given",
    "heldout": "share of the recordings (whole ones) held out for judging",
    "shortest": "frames of an episode, at least; shorter pieces are left out",
    "longest": "frames of an episode, at most; longer ones are cut",
    "game": "name of the game; the format's or recording's own unless given",
    "licence": "licence of the recordings; the format's own unless given",
    "keep_menus": "keep stretches with an open menu (vpt)",
    "skip_damaged": "leave damaged recordings out and name them; without it they stop the import",
}


def import_(parser: ArgumentParser) -> Run:
    from worldmodel.data.importers.gameplay import import_gameplay

    parser.add_argument("source", type=Path, help="folder of recordings (or one video)")
    parser.add_argument("out", type=Path, help="folder for the episodes; must not exist")
    add_options(parser, import_gameplay, IMPORT)
    return lambda options: import_gameplay(options.source, options.out, **chosen(options, IMPORT))


def export_lerobot(parser: ArgumentParser) -> Run:
    from worldmodel.data.exporters.lerobot import export_lerobot

    parser.add_argument("data", type=Path, help="collection, or folder of episodes")
    parser.add_argument("out", type=Path, help="folder for the data set; must not exist")

    def run(options: Namespace) -> None:
        episodes = export_lerobot(options.data, options.out)
        print(f"{options.out}: {episodes} episodes as a LeRobotDataset v3")

    return run


COMMANDS: Commands = {
    "import": (import_, "turn recordings that others made into episodes"),
    "export lerobot": (export_lerobot, "write episodes as a LeRobotDataset v3"),
}

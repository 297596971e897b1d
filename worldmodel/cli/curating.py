"""Commands that look into data and choose from it.

Imports stand inside, so that `worldmodel --help` does not wait for PyTorch.
"""

import json
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from worldmodel.cli.command import Commands, Run, add_json
from worldmodel.cli.options import add_data, add_options, chosen

DOCTOR = {
    "frames": "frames to look at, about, spread over the data set",
    "seconds": "time after which no more frames are read",
}


def doctor(parser: ArgumentParser) -> Run:
    from worldmodel.data.doctor.examine import examine

    parser.add_argument("data", type=Path, help="folder of episodes or of prepared arrays")
    add_options(parser, examine, DOCTOR)
    page = "the report, one HTML file (default: DATA/doctor.html)"
    parser.add_argument("--page", type=Path, metavar="FILE", help=page)
    parser.add_argument("--no-page", action="store_true", help="write no report")
    add_json(parser)

    def run(options: Namespace) -> int:
        from worldmodel.data.doctor.page import write_page

        examined = examine(options.data, **chosen(options, DOCTOR))
        page = None if options.no_page else options.page or options.data / "doctor.html"
        if options.json:
            print(json.dumps(examined.to_json(), indent=2))
        else:
            print(examined.summary())
        if page:
            write_page(examined, page)
            print(f"pictures and plots: {page}", file=sys.stderr)
        return 1 if examined.wrong else 0

    return run


def curate(parser: ArgumentParser) -> Run:
    from worldmodel.data.curation.curate import curate
    from worldmodel.data.curation.rules import read_rules
    from worldmodel.data.curation.view import LEFT_OUT

    add_data(parser)
    parser.add_argument("rules", type=Path, help="TOML file that says what is left out")
    parser.add_argument("out", type=Path, help="folder for the view; train on it as on arrays")
    add_json(parser)

    def run(options: Namespace) -> None:
        figures = curate(options.data, read_rules(options.rules), options.out)
        if options.json:
            print(json.dumps(figures, indent=2))
            return
        for split, counts in figures.items():
            total = sum(counts.values())
            print(f"{options.out / split}: {total:,} frames")
            for reason, count in counts.items():
                print(f"  {reason:28} {count:10,}  {count / total:.1%}")
            print(f"  every cut with its reason: {options.out / split / LEFT_OUT}", file=sys.stderr)

    return run


COMMANDS: Commands = {
    "doctor": (doctor, "say what is in a data set, and what is wrong with it"),
    "curate": (curate, "choose from prepared arrays by rules, without copying them"),
}

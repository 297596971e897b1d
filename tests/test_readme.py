"""The README is a map and a promise: its commands exist, and its folders are the tree's."""

import re
import shlex
from pathlib import Path

import pytest

from worldmodel import cli
from worldmodel.cli.commands import COMMANDS
from worldmodel.games.vizdoom import CONTROLS

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    """The text under a heading of the second level."""
    return README.split(f"\n## {title}\n")[1].split("\n## ")[0]


def blocks(text: str) -> list[str]:
    return re.findall(r"^```\w+\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


CALLS = [
    line.removeprefix("worldmodel ")
    for block in blocks(README)
    for line in block.splitlines()
    if line.startswith("worldmodel ")
]


def mapped() -> set[str]:
    """Every path that the map names."""
    found, folder = set(), ""
    for line in blocks(section("Map"))[0].splitlines():
        path = line.split()[0]
        if line.startswith("  "):
            found.add(folder + path)
        else:
            folder = path
            found.add(path)
    return found


def test_one_command_installs_and_starts_the_page():
    (command,) = blocks(section("Play"))
    assert command.count("\n") == 1
    assert "pip install -e ." in command and command.strip().endswith("python app.py")


def test_one_command_installs_and_runs_the_tests():
    (command,) = blocks(section("Tests"))
    assert command.count("\n") == 1
    assert "pip install -e '.[dev]'" in command and command.strip().endswith("pytest")


@pytest.mark.parametrize("call", CALLS)
def test_every_call_is_understood(call):
    words = shlex.split(call)
    assert cli.build_parser(words).parse_args(words).run_command


def test_every_command_is_shown():
    assert {name for name in COMMANDS if any(call.startswith(name) for call in CALLS)} == {
        *COMMANDS
    }


def test_what_one_command_writes_the_next_one_reads():
    """Folders that a call names were named by one before, unless it brings gameplay in."""
    known = set()
    for call in CALLS:
        for path in re.findall(r"(?:data|runs)/\S+", call):
            parents = {path, *map(str, Path(path).parents)}
            begun = call.startswith(("collect", "record", "average")) or "--run" in call
            assert begun or parents & known, f"{path} comes from nowhere"
            known.add(path)


def test_the_map_is_the_tree():
    named = mapped()
    assert [path for path in named if not (ROOT / path).exists()] == []
    folders = {f"worldmodel/{path.parent.name}/" for path in ROOT.glob("worldmodel/*/__init__.py")}
    files = {f"worldmodel/{path.name}" for path in ROOT.glob("worldmodel/[!_]*.py")}
    filled = {f for f in folders if any(p.stat().st_size for p in (ROOT / f).glob("*.py"))}
    missing = (filled | files) - named - {"worldmodel/errors.py"}
    assert missing == set()


def test_the_pictures_are_there():
    shown = re.findall(r"!\[[^]]*\]\((?!http)([^)]+)\)", README)
    assert shown and [path for path in shown if not (ROOT / path).is_file()] == []


def test_the_keys_are_the_worlds():
    """Each key of the table that walks or turns is one of the shipped world's."""
    arrows = {"↑": "ArrowUp", "↓": "ArrowDown", "←": "ArrowLeft", "→": "ArrowRight"}
    rows = [line for line in section("Play").splitlines() if "walk" in line or "left" in line]
    keys = {key for row in rows if row.startswith("|") for key in re.findall(r"`(.)`", row)}
    assert {arrows.get(key, f"Key{key}") for key in keys} == set(CONTROLS.keymap)


def test_figures_have_their_place():
    assert README.index("<!-- figures -->") < README.index("<!-- /figures -->")

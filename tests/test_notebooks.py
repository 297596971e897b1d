"""The notebooks are executed from top to bottom, and speak of what the package has."""

import ast
import importlib
import inspect
import json
import re
import shlex
from pathlib import Path

import pytest

from worldmodel import cli

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[!.]*.ipynb"))
LARGEST = 3 * 2**20  # bytes
# a folder of one machine: outputs and sources speak of paths relative to where they run
ABSOLUTE = re.compile(r"(?<![\w/.:])(?:/(?:home|root|tmp|work|usr|opt|var|mnt|Users)/|[A-Z]:\\)")

pytestmark = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def cells(path: Path, kind: str) -> list[dict]:
    found = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in found if cell["cell_type"] == kind]


def source(cell: dict) -> str:
    return "".join(cell["source"])


def outputs(path: Path) -> list[dict]:
    return [output for cell in cells(path, "code") for output in cell["outputs"]]


def written(output: dict) -> str:
    """What a person reads of an output: everything but the pictures."""
    data = output.get("data", {})
    texts = [output.get("text", ""), *(v for k, v in data.items() if k.startswith("text/"))]
    return "".join("".join(text) for text in texts)


def imported(path: Path) -> set[tuple[str, str]]:
    """Every (module, name) that the notebook takes from the package."""
    trees = [ast.parse(source(cell)) for cell in cells(path, "code")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    return {
        (node.module, alias.name)
        for node in nodes
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("worldmodel")
        for alias in node.names
    }


def bound(path: Path) -> dict[str, object]:
    """What the imported names stand for, by the name that the notebook uses."""
    names = imported(path)
    return {name: getattr(importlib.import_module(module), name) for module, name in names}


def test_is_a_valid_notebook(path):
    nbformat = pytest.importorskip("nbformat")
    nbformat.validate(nbformat.read(path, as_version=4))


def test_was_executed_once_from_top_to_bottom(path):
    counts = [cell["execution_count"] for cell in cells(path, "code")]
    assert counts == list(range(1, len(counts) + 1))


def test_nothing_went_wrong(path):
    assert [o["ename"] for o in outputs(path) if o["output_type"] == "error"] == []
    assert [written(o) for o in outputs(path) if o.get("name") == "stderr"] == []


def test_there_are_pictures_and_the_file_is_small(path):
    kinds = {kind for output in outputs(path) for kind in output.get("data", {})}
    assert kinds & {"image/png", "image/jpeg"}
    assert path.stat().st_size < LARGEST


def test_no_path_of_a_machine(path):
    texts = [source(cell) for kind in ("code", "markdown") for cell in cells(path, kind)]
    texts += [written(output) for output in outputs(path)]
    assert [match.group() for text in texts if (match := ABSOLUTE.search(text))] == []


def test_every_name_it_imports_exists(path):
    missing = [
        f"{module}.{name}"
        for module, name in sorted(imported(path))
        if not hasattr(importlib.import_module(module), name)
    ]
    assert imported(path) and missing == []


def test_functions_are_called_as_they_are_defined(path):
    """Arguments of imported functions and classes fit their signatures."""
    known, wrong = bound(path), []
    for cell in cells(path, "code"):
        for node in ast.walk(ast.parse(source(cell))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            unpacked = any(isinstance(argument, ast.Starred) for argument in node.args)
            named = [k.arg for k in node.keywords if k.arg is not None]
            if node.func.id in known and not unpacked:
                signature = inspect.signature(known[node.func.id])
                try:
                    signature.bind_partial(*node.args, **dict.fromkeys(named))
                except TypeError as error:
                    wrong.append(f"{node.func.id}: {error}")
    assert wrong == []


def test_its_commands_are_understood(path):
    text = "\n".join(source(cell) for cell in cells(path, "markdown"))
    calls = re.findall(r"^worldmodel (.+)$", text, re.MULTILINE)
    for call in calls:
        words = shlex.split(call)
        assert cli.build_parser(words).parse_args(words).run_command
    assert calls

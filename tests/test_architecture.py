"""The order of the folders, the size of the files, and what may never be written."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "worldmodel"
FILES = sorted(PACKAGE.rglob("*.py"))
PARTS = [*FILES, *ROOT.glob("app.py")]

# what each folder or file may import beside itself: always to the left in DESIGN's order
CORE = {"games", "data", "model", "diffusion", "weights", "checkpoint", "train", "play"}
ALLOWED = {
    "errors": set(),
    "games": set(),
    "data": {"games"},
    "model": set(),
    "diffusion": set(),
    "records": set(),
    "weights": {"records"},
    "checkpoint": {"games", "model", "records", "weights"},
    "train": {"games", "data", "model", "diffusion", "weights", "checkpoint"},
    "configure": {"checkpoint"},
    "presets": {"model", "train"},
    "recipes": {"games", "data", "model", "checkpoint", "train", "presets"},
    "play": CORE - {"train", "play"},
    "record": {"games", "data", "play"},
    "serve": CORE - {"train"},
    "evaluate": CORE | {"serve", "presets"},
    "export": CORE,
    "app": CORE | {"serve"},
    "cli": CORE | {"configure", "presets", "recipes", "record", "serve", "evaluate", "export"},
    "__main__": {"cli"},
    "__init__": set(),
}
LONGEST = 300
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__", "torch.load", "torch.save"}
FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "joblib", "marshal", "shelve"}
HEAVY = {"gradio", "starlette", "uvicorn", "websockets", "cv2", "onnxruntime"}


def part_of(path: Path) -> str:
    """The folder of the package that a file lies in, or the name of a file that lies in none."""
    inside = path.relative_to(PACKAGE if PACKAGE in path.parents else ROOT)
    return inside.parts[0] if len(inside.parts) > 1 else inside.stem


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def modules_imported(path: Path) -> set[str]:
    """Every module that a file names in an import, wherever the import stands."""
    found = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: write imports in full"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def calls(path: Path) -> list[ast.Call]:
    return [node for node in ast.walk(tree(path)) if isinstance(node, ast.Call)]


def test_imports_go_one_way():
    wrong = []
    for path in PARTS:
        part = part_of(path)
        assert part in ALLOWED, f"{part} has no place in the order; give it one"
        ours = {m.split(".")[1] for m in modules_imported(path) if m.startswith("worldmodel.")}
        ours -= {"__version__", "errors", part} | ALLOWED[part]
        wrong += [f"{name(path)} may not look at {other}" for other in ours]
    assert wrong == []


def test_the_order_has_no_circle():
    """Each part can be placed after all that it may import."""
    placed: set[str] = set()
    left = dict(ALLOWED)
    while left:
        ready = {part for part, allowed in left.items() if allowed <= placed}
        assert ready, f"a circle among {', '.join(left)}"
        placed |= ready
        left = {part: allowed for part, allowed in left.items() if part not in ready}


def test_mathematics_and_networks_do_not_know_each_other():
    assert "diffusion" not in ALLOWED["model"] and "model" not in ALLOWED["diffusion"]


def test_only_the_command_line_looks_at_evaluation_and_export():
    looking = {part for part, allowed in ALLOWED.items() if allowed & {"evaluate", "export"}}
    assert looking == {"cli"}


def test_files_are_short():
    lengths = {name(path): len(path.read_text(encoding="utf-8").splitlines()) for path in PARTS}
    assert {file: length for file, length in lengths.items() if length > LONGEST} == {}


def test_every_file_says_what_it_is():
    filled = [path for path in PARTS if path.read_text(encoding="utf-8").strip()]
    assert [name(path) for path in filled if not ast.get_docstring(tree(path))] == []


def test_nothing_executes_what_it_reads():
    wrong = []
    for path in PARTS:
        roots = {module.split(".")[0] for module in modules_imported(path)}
        wrong += [f"{name(path)} imports {module}" for module in roots & FORBIDDEN_MODULES]
        for call in calls(path):
            allowing = [k.arg for k in call.keywords if k.arg == "allow_pickle"]
            if allowing or ast.unparse(call.func) in FORBIDDEN_CALLS:
                wrong.append(f"{name(path)}:{call.lineno} calls {ast.unparse(call.func)}")
    assert wrong == []


def test_errors_are_caught_by_name():
    handlers = [
        (path, node)
        for path in PARTS
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ExceptHandler)
    ]
    assert [f"{name(path)}:{node.lineno}" for path, node in handlers if node.type is None] == []


def test_collecting_and_training_need_no_page():
    """The folders up to the checkpoint import no web server and no desktop toolkit."""
    left = {"games", "data", "model", "diffusion", "train", "checkpoint"}
    for path in FILES:
        roots = {module.split(".")[0] for module in modules_imported(path)}
        assert part_of(path) not in left or not roots & HEAVY, name(path)

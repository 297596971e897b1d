"""app.py: what it says and how it exits."""

import asyncio
import gc
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

import app

ROOT = Path(app.__file__).parent
sys.path.insert(0, str(ROOT / "tests" / "serve"))
from stub_engine import StubBackend  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # Gradio leaves sockets and loops open


@pytest.fixture(autouse=True)
def sweep_up_after_gradio():
    yield
    asyncio.set_event_loop(None)
    gc.collect()


@pytest.fixture
def worlds(tmp_path):
    for name in ("doom", "maze"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}")
    return tmp_path


def run(*arguments: str) -> int:
    return app.main(["--no-browser", "--port", "0", *arguments], StubBackend())


def one_sentence(capsys) -> str:
    error = capsys.readouterr().err.strip()
    assert error and "\n" not in error and "Traceback" not in error
    return error


def test_no_world_is_one_sentence_and_two(tmp_path, capsys):
    assert run("--world", str(tmp_path / "nowhere")) == 2
    assert "found none" in one_sentence(capsys)


def test_a_port_in_use_is_one_sentence_and_two(worlds, capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert run("--world", str(worlds), "--port", port) == 2
    assert f"Port {port}" in one_sentence(capsys)


def test_a_damaged_checkpoint_is_one_sentence_and_two(worlds, capsys):
    (worlds / "doom" / "config.json").write_text('"damaged"')
    assert run("--world", str(worlds / "doom")) == 2
    assert "damaged" in one_sentence(capsys)


def test_the_page_its_scripts_and_the_worlds_are_served(worlds, monkeypatch, capsys):
    seen = {}

    def look_around(loading, library):
        url = capsys.readouterr().out.split("Play at ")[1].split()[0]
        for path in ("", "play/page/main.js", "play/page/wire.js"):
            with urllib.request.urlopen(url + path, timeout=20) as answer:
                seen[path] = answer.read().decode()
        seen["worlds"] = list(library.worlds)
        loading.result(timeout=20)

    monkeypatch.setattr(app, "wait_while_serving", look_around)
    assert run("--world", str(worlds / "maze")) == 0
    assert "wm-app" in seen[""] and "export function start" in seen["play/page/main.js"]
    assert seen["worlds"] == ["maze", "doom"]  # the one asked for, then its neighbours


def test_the_templates_hold_nothing_that_gradio_would_evaluate():
    from worldmodel.serve.server import PAGE

    for name in ("page.html", "page.css"):
        text = (PAGE / name).read_text()
        assert not any(mark in text for mark in ("`", "${", "{{", "\\"))


@pytest.mark.parametrize("arguments", [["--players", "0"], ["--port", "x"], ["--fly"]])
def test_nonsense_on_the_command_line_exits_with_two(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        run(*arguments)
    assert caught.value.code == 2


def test_as_a_program_it_names_missing_worlds_at_once():
    command = [sys.executable, "app.py", "--world", "/nowhere/at/all"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and "Traceback" not in done.stderr

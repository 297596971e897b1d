"""The real thing: a window on a virtual display, keys that are typed, the recorder beside it."""

import importlib.util
import shutil
from itertools import groupby

import numpy as np
import pytest
from desktop import KEYS, running, until

from worldmodel import cli
from worldmodel.data.episode import load_episode
from worldmodel.data.live import repair
from worldmodel.errors import UserError

NEEDED = ("mss", "pynput", "Xlib", "tkinter")
MISSING = [name for name in NEEDED if importlib.util.find_spec(name) is None]
if shutil.which("Xvfb") is None:
    MISSING.append("Xvfb")
pytestmark = [
    pytest.mark.desktop,
    pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}"),
]


@pytest.fixture(scope="module")
def window():
    """The title of a window on a display of its own."""
    from worldmodel.record.virtual import target_window, virtual_display

    with virtual_display(), target_window() as title:
        yield title


@pytest.fixture
def typist(window):
    from worldmodel.record.virtual import Typist

    typist = Typist(["KeyW", "KeyA"], 0, 0.1, 0.2)
    yield typist
    typist.close()


def tap(typist, code):
    typist.stroke(code, True)
    typist.stroke(code, False)


def load(folder):
    return [load_episode(path) for path in sorted(folder.glob("*/[!.]*"))]


def runs(episodes):
    """The keys held one after the other, without how long."""
    return [keys for keys, _ in groupby(k for e in episodes for k in e.keys if k)]


def test_hotkeys_begin_pause_and_end(window, typist, tmp_path):
    with running(tmp_path / "d", "--window", window, "--mouse", "--split", "train") as run:
        run.wait_for("READY")
        tap(typist, "F9")
        run.record()
        typist.stroke("KeyW", True)
        run.record(20)  # long enough to repeat itself
        typist.stroke("KeyW", False)
        run.record()
        tap(typist, "F9")
        until(lambda: not run.frames(), "the end of the episode")
        typist.stroke("KeyE", True)
        typist.stroke("KeyE", False)
        tap(typist, "F9")
        run.record()
        tap(typist, "KeyA")
        typist.move(7, -4)
        run.record()
        tap(typist, "F10")
        assert run.process.wait() == 0
    first, *_, last = found = load(tmp_path / "d")  # more than two when the machine stalls
    assert run.said(f"{len(found)} episodes")
    assert first.meta.controls == last.meta.controls
    assert first.meta.controls.buttons == ("KeyA", "KeyW")
    assert first.meta.controls.axes == ("look_x", "look_y")
    assert runs(found) == [("KeyW",), ("KeyA",)]
    assert last.controls[:, 2:].sum(0).tolist() == [7, -4]
    lit = first.frames[:, 5:60, 2 * 16 + 3 : 3 * 16 - 3].mean((1, 2, 3)) > 127  # KeyW's stripe
    held = first.controls[:, 1] > 0.5
    assert lit.any() and np.flatnonzero(lit)[0] >= np.flatnonzero(held)[0]


def test_kill_9_loses_at_most_two_frames(window, typist, tmp_path):
    with running(tmp_path / "d", "--window", window, "--keys", KEYS, "--now") as run:
        run.record(10)
        typist.stroke("Space", True)
        run.record(10)
        typist.stroke("Space", False)
        run.process.kill()
        run.process.wait()
        written = run.frames()
    ((folder, frames),) = repair(tmp_path)
    assert frames >= written - 2 > 0
    episode = load_episode(folder)
    assert ("Space",) in episode.keys


def test_a_terminal_that_says_stop_gets_whole_episodes(window, tmp_path):
    with running(tmp_path / "d", "--window", window, "--keys", KEYS, "--now") as run:
        run.record(5)
        run.process.terminate()
        assert run.process.wait() == 0
    assert load(tmp_path / "d")


def test_the_bench_compares_pictures_with_actions(window):
    from worldmodel.record.bench import bench_record

    figures = bench_record(seconds=5.0, fps=10.0)
    assert figures["frames"] >= 2 and figures["key presses"] >= 1
    assert figures["keys still held at the end"] == 0
    assert figures["picture after action, frames, least"] >= -1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--window", "No Such Game"], "there is no window with 'No Such Game'"),
        (["--region", "1200", "0", "500", "300"], "reaches out of the screen"),
        (["--region", "0", "0", "5", "5"], "too small"),
        (["--monitor", "7"], "there is no monitor 7"),
        (["--keys", "W=forward"], "there is no key 'W'"),
        (["--keys", "F9=save"], "F9 is a hotkey"),
        (["--hotkeys", "F1", "F1", "F2"], "three different keys"),
        (["--window", "a", "--region", "0", "0", "50", "50"], "choose one"),
        (["--split", "test"], "--split should be one of"),
        (["--fps", "0"], "1 to 240 times a second"),
        (["--latency", "-1"], "cannot be negative"),
        (["--mouse", "--gamepad"], "choose one"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_one_sentence(window, tmp_path, capsys, words, sentence):
    assert cli.main(["record", str(tmp_path / "d"), *words]) == 2
    out, err = capsys.readouterr()
    assert sentence in err and err.count("\n") == 1 and "Traceback" not in err + out
    assert list(tmp_path.iterdir()) == []


def test_no_display_is_one_sentence(window, tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("DISPLAY")
    assert cli.main(["record", str(tmp_path / "d")]) == 2
    assert "needs a display and none can be reached" in capsys.readouterr().err


def test_windows_are_found_and_their_keyboard_is_known(window, typist):
    from worldmodel.record.screen import Camera, WindowView, shrink
    from worldmodel.record.x11 import Desktop

    desktop, camera = Desktop(), Camera()
    view = WindowView(desktop, window[:9].upper())
    region = view.region()
    assert (region.width, region.height) == (640, 480) and view.has_keyboard()
    assert not desktop.is_wayland
    picture = camera.grab(region)
    assert picture.shape == (480, 640, 4) and shrink(picture, (48, 64)).any()  # a white bar
    typist.stroke("KeyA", True)
    until(lambda: desktop.probe()("KeyA"), "the key")
    typist.stroke("KeyA", False)
    until(lambda: not desktop.probe()("KeyA"), "its release")
    assert not desktop.probe()("Mouse0")
    camera.close()
    desktop.close()


def test_a_window_managers_list_is_believed(window):
    """No manager runs here, so its properties are written by hand."""
    from Xlib import Xatom

    from worldmodel.record.x11 import Desktop

    desktop = Desktop()
    ((game, title),) = desktop.windows()
    clients, active = map(desktop.display.get_atom, ("_NET_CLIENT_LIST", "_NET_ACTIVE_WINDOW"))
    desktop.root.change_property(clients, Xatom.WINDOW, 32, [game.id, desktop.root.id])
    assert list(desktop.windows()) == [(game, title)] and title == window
    desktop.root.change_property(clients, Xatom.WINDOW, 32, [])
    assert list(desktop.windows()) == []
    assert not desktop.has_keyboard(desktop.display.create_resource_object("window", 5))
    desktop.root.change_property(active, Xatom.WINDOW, 32, [5])
    assert desktop.has_keyboard(desktop.display.create_resource_object("window", 5))
    for atom in (clients, active):
        desktop.root.delete_property(atom)
    desktop.display.sync()
    desktop.close()


def test_without_a_server_there_is_a_sentence(window, monkeypatch):
    from worldmodel.record import virtual

    monkeypatch.setattr(virtual.shutil, "which", lambda name: None)
    with pytest.raises(UserError, match="apt install xvfb"), virtual.virtual_display():
        pass

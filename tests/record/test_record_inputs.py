"""What pynput reports, and what a gamepad and a raw mouse report, becomes a log."""

import struct
import sys
from types import ModuleType, SimpleNamespace

import pytest

from worldmodel.errors import UserError
from worldmodel.record import inputs
from worldmodel.record.inputs import Inputs
from worldmodel.record.log import InputLog


class Listener:
    """A pynput listener that hears what the test says."""

    IS_TRUSTED = True

    def __init__(self, **callbacks):
        self.callbacks, self.stopped = callbacks, False

    def start(self):
        pass

    def wait(self):
        pass

    def stop(self):
        self.stopped = True


@pytest.fixture
def listen(monkeypatch):
    """Inputs on a system without X11; returns them, the log, and what to call."""
    module = SimpleNamespace(Listener=Listener)
    monkeypatch.setattr(inputs, "_pynput", lambda: (module, module))

    def start(hotkeys=None, **settings):
        log = InputLog()
        heard = Inputs(log, hotkeys or {}, **settings)
        calls = {**heard._listeners[0].callbacks, **heard._listeners[1].callbacks}
        return heard, log, SimpleNamespace(**calls)

    return start


def char(letter):
    return SimpleNamespace(char=letter, vk=None)


LATER = 1e9


def test_presses_and_releases_reach_the_log(listen):
    _, log, say = listen()
    say.on_press(char("w"), False)
    say.on_press(SimpleNamespace(name="left"), False)
    assert log.take(LATER).keys == ("KeyW", "ArrowLeft")
    say.on_release(char("W"), False)  # shift went down meanwhile
    log.take(LATER)
    assert log.take(LATER).keys == ("ArrowLeft",)


def test_hotkeys_are_called_once_a_press_and_never_logged(listen):
    called = []
    _, log, say = listen({"F9": lambda: called.append("F9")})
    for _ in range(3):  # auto-repeat
        say.on_press(SimpleNamespace(name="f9"), False)
    say.on_release(SimpleNamespace(name="f9"), False)
    say.on_press(SimpleNamespace(name="f9"), False)
    assert called == ["F9", "F9"] and log.take(LATER).idle


def test_nothing_is_heard_while_another_window_has_the_keyboard(listen):
    heard, log, say = listen(mouse=True, clicks=True)
    heard.open = False
    say.on_press(char("p"), False)
    say.on_click(0, 0, SimpleNamespace(name="left"), True)
    say.on_move(0, 0)
    say.on_move(5, 5)
    assert log.take(LATER).idle


def test_the_mouse_is_heard_when_asked_for(listen):
    _, log, say = listen(mouse=True, clicks=True)
    for at in ((10, 10), (13, 8)):
        say.on_move(*at)
    say.on_click(13, 8, SimpleNamespace(name="right"), True)
    held = log.take(LATER)
    assert (held.keys, held.dx, held.dy) == (("Mouse2",), 3, -2)
    say.on_click(13, 8, SimpleNamespace(name="right"), False)
    say.on_click(13, 8, SimpleNamespace(name="button8"), True)
    log.take(LATER)
    assert log.take(LATER).idle
    _, log, say = listen()
    say.on_click(0, 0, SimpleNamespace(name="left"), True)
    assert say.on_move is None and log.take(LATER).idle


def test_closing_stops_the_listeners(listen):
    with listen()[0] as heard:
        pass
    assert all(listener.stopped for listener in heard._listeners)


def test_macos_without_permission_is_a_sentence(listen, monkeypatch):
    monkeypatch.setattr(Listener, "IS_TRUSTED", False)
    with pytest.raises(UserError, match="Input Monitoring"):
        listen()


def test_a_system_without_a_way_to_listen_is_a_sentence(monkeypatch):
    class Refuses(ModuleType):
        def __getattr__(self, name):
            raise ImportError("this platform is not supported: no display\nmore")

    monkeypatch.setitem(sys.modules, "pynput", Refuses("pynput"))
    with pytest.raises(UserError, match=r"cannot be seen \(this platform is not supported"):
        Inputs(InputLog(), {})


def test_raw_motion_is_read_as_xinput_sends_it():
    """Bytes that Xvfb sent for a relative motion of 5, 3."""
    pytest.importorskip("Xlib")
    from worldmodel.record.x11 import read_raw

    data = bytes.fromhex("0200a0b4b100000000000400020000000000000000000300000000000000")
    data = data[:22] + struct.pack("=Q", 3) + struct.pack("=iIiI", 5, 0, -3, 1 << 31)
    assert read_raw(data) == (4, {0: 5.0, 1: -2.5})


class Pad:
    """A gamepad in the hands of the test."""

    held, axes = (), {}

    def __init__(self, index):
        pass

    def get_button(self, button):
        return button in self.held

    def get_axis(self, axis):
        return self.axes.get(axis, 0)


@pytest.fixture
def pad(monkeypatch):
    """A Gamepad on a stand-in for pygame, whose constants are their own names."""

    class Pygame(ModuleType):
        def __getattr__(self, name):
            if name.startswith("CONTROLLER_"):
                return name
            raise AttributeError(name)

    pygame, sdl2 = Pygame("pygame"), ModuleType("pygame._sdl2")
    pygame.init = pygame.quit = lambda: None
    pygame.event = SimpleNamespace(pump=lambda: None)
    sdl2.controller = SimpleNamespace(
        init=lambda: None, quit=lambda: None, is_controller=lambda i: True, Controller=Pad,
        get_count=lambda: 1,
    )  # fmt: skip
    for name in ("SDL_JOYSTICK_ALLOW_BACKGROUND_EVENTS", "SDL_VIDEODRIVER"):
        monkeypatch.setenv(name, "so that it is put back")
    monkeypatch.setenv("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    monkeypatch.setitem(sys.modules, "pygame", pygame)
    monkeypatch.setitem(sys.modules, "pygame._sdl2", sdl2)
    return sdl2.controller


def test_a_gamepad_presses_keys_and_turns_the_view(pad, monkeypatch):
    from worldmodel.record.gamepad import Gamepad

    log = InputLog()
    with_pad = Gamepad(log)
    monkeypatch.setattr(Pad, "held", ("CONTROLLER_BUTTON_A",))
    monkeypatch.setattr(
        Pad, "axes",
        {"CONTROLLER_AXIS_LEFTY": -30000, "CONTROLLER_AXIS_RIGHTX": 32767,
         "CONTROLLER_AXIS_RIGHTY": 900, "CONTROLLER_AXIS_TRIGGERRIGHT": 20000},
    )  # fmt: skip
    with_pad.poll(0.5)
    with_pad.look(0.5)
    held = log.take(1)
    assert held.keys == ("PadSouth", "PadR2", "PadStickUp") and (held.dx, held.dy) == (1.0, 0.0)
    monkeypatch.setattr(Pad, "held", ())
    monkeypatch.setattr(Pad, "axes", {})
    with_pad.poll(1.5)
    log.take(2)
    assert log.take(3).idle


def test_no_gamepad_is_a_sentence(pad, monkeypatch):
    from worldmodel.record.gamepad import Gamepad

    monkeypatch.setattr(pad, "get_count", lambda: 0)
    with pytest.raises(UserError, match="no gamepad that SDL knows"):
        Gamepad(InputLog())

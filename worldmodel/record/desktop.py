"""Records any game on the desktop: `worldmodel record DATA`."""

import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from worldmodel.data.learned import learned, unite
from worldmodel.data.meta import Meta
from worldmodel.errors import UserError
from worldmodel.games.base import ControlSpace
from worldmodel.record.config import DesktopConfig, check
from worldmodel.record.inputs import Inputs
from worldmodel.record.keys import read_keymap
from worldmodel.record.log import InputLog
from worldmodel.record.recorder import Recorder, finish
from worldmodel.record.screen import (
    Camera,
    FixedView,
    Region,
    View,
    WindowView,
    check_region,
    check_session,
)
from worldmodel.record.shelf import Shelf, repair_and_tell
from worldmodel.record.status import StatusLine
from worldmodel.record.takes import Takes
from worldmodel.record.tell import ended_by_signals, tell
from worldmodel.record.worker import Worker

WAITING = 256 * 2**20  # bytes of pictures that may wait for the writer


def record_desktop(
    data: Path, config: DesktopConfig, begins: Callable[[], None] = lambda: None
) -> Recorder:
    """Record episodes into data/train and data/heldout; returns the recorder, for its figures.

    `begins` is called when everything listens and looks. What a killed recorder left in the
    folder is finished first. Raises UserError: no display, a system that lets nobody listen, no
    such window, a region out of the screen, impossible settings, other episodes in the folder, a
    full disk.
    """
    check(config)
    try:
        repair_and_tell(data)
    except UserError as error:  # an old recording that is lost must not keep a new one from being
        print(f"not repaired: {error}", file=sys.stderr)
    with ExitStack() as stack:
        desktop = _desktop(stack)
        camera = Camera()
        stack.callback(camera.close)
        view = _view(config, camera, desktop)
        log, worker = InputLog(), stack.enter_context(Worker(_room(view)))
        meta = _meta(config, view)
        takes = Takes(
            Shelf(data, config.split),
            meta,
            longest=config.longest,
            skip_idle=config.skip_idle,
            notes=_notes(config, view),
        )
        recorder = Recorder(
            view, camera, log, takes, worker, latency=config.latency / 1000, crop=config.crop
        )
        recorder.keyboard = desktop
        if config.gamepad:
            recorder.pad = _pad(log, stack)
        hotkeys = dict(
            zip(config.hotkeys, (recorder.toggle, recorder.stop, recorder.discard), strict=True)
        )
        clicks = config.mouse or "Mouse" in (config.keys or "")
        inputs = stack.enter_context(
            Inputs(log, hotkeys, mouse=config.mouse, clicks=clicks, desktop=desktop)
        )
        recorder.heard = lambda focused: setattr(inputs, "open", focused)
        begins()
        _run(recorder, config)
    unite(data)
    return recorder


def _run(recorder: Recorder, config: DesktopConfig) -> None:
    """The recording itself, from the greeting to the sum."""
    begin, stop, discard = config.hotkeys
    print(
        f"recording {recorder.view.title}: {begin} begins and pauses, {stop} ends, {discard} "
        "throws the episode away",
        file=sys.stderr,
    )
    if config.window is None:
        print("keys are recorded whichever window they are typed into", file=sys.stderr)
    if config.now:
        recorder.toggle()
    line = StatusLine()
    try:
        with ended_by_signals(recorder.stop):
            recorder.run(line.show, config.seconds)
    finally:
        line.close()
        finish(recorder.takes, recorder.worker)
    tell(recorder.takes, recorder.dropped, recorder.notice)


def _desktop(stack: ExitStack) -> Any | None:
    """The X server, or None on systems without one. Raises UserError."""
    if not sys.platform.startswith("linux"):
        return None
    check_session(None)
    from worldmodel.record.x11 import Desktop

    desktop = Desktop()
    stack.callback(desktop.close)
    check_session(desktop)
    return desktop


def _view(config: DesktopConfig, camera: Camera, desktop: Any | None) -> View:
    if config.window is None:
        region = Region(*config.region) if config.region else camera.monitor(config.monitor)
        title = config.name or f"the region {region.width}x{region.height}"
        return FixedView(check_region(region, camera.screen), title)
    if desktop is None:
        raise UserError(
            "windows are found by their titles on X11 only; give --region X Y WIDTH HEIGHT"
        )
    view = WindowView(desktop, config.window)
    check_region(view.region() or Region(0, 0, 0, 0), camera.screen)
    return view


def _room(view: View) -> int:
    """How many pictures may wait for the writer."""
    region = view.region()
    return min(max(WAITING // (4 * region.width * region.height), 8), 240)


def _controls(config: DesktopConfig) -> ControlSpace:
    axes = ("look_x", "look_y") if config.mouse or config.gamepad else ()
    return learned((), axes) if config.keys is None else read_keymap(config.keys, axes)


def _meta(config: DesktopConfig, view: View) -> Meta:
    return Meta(
        fps=config.fps,
        size=config.size,
        controls=_controls(config),
        game=config.name or view.title,
        seed=0,
        player="person",
        licence=config.licence,
    )


def _notes(config: DesktopConfig, view: View) -> dict[str, Any]:
    region = view.region()
    return {
        "recorder": "desktop",
        "source": view.title,
        "source_size": [region.height, region.width] if region else None,
        "crop": config.crop,
        "latency_ms": config.latency,
    }


def _pad(log: InputLog, stack: ExitStack) -> Any:
    from worldmodel.record.gamepad import Gamepad

    pad = Gamepad(log)
    stack.callback(pad.close)
    return pad

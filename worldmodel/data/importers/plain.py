"""Videos of which nobody knows the keys: every frame's actions are marked unknown."""

from collections.abc import Iterator
from pathlib import Path

from worldmodel.data.importers.events import videos
from worldmodel.data.importers.files import shown
from worldmodel.data.importers.film import frames_of, probe
from worldmodel.data.importers.record import Record, Recording
from worldmodel.data.importers.settings import Settings
from worldmodel.errors import UserError
from worldmodel.games.base import ControlSpace

# what a world of unlabelled video alone is given, so that it has keys to learn one day
_BUTTONS = {"KeyW": "forward", "KeyS": "back", "KeyA": "left", "KeyD": "right", "Space": "jump"}
CONTROLS = ControlSpace(buttons=tuple(_BUTTONS.values()), keymap=_BUTTONS)


def holds(source: Path) -> bool:
    """Whether there is any video."""
    return bool(videos(source))


def recordings(source: Path, settings: Settings) -> list[Recording]:
    """Every video in a folder, or the one file named; raise UserError when there is none."""
    found = [source] if source.is_file() else videos(source)
    if not found:
        raise UserError(f"{shown(source)} has no video in it.")
    return settings.gather(found, _recording)


def _recording(path: Path) -> Recording:
    film = probe(path)

    def records() -> Iterator[Record]:
        for time, picture in frames_of(path):
            yield Record(picture=picture, time=time)

    return Recording(
        name=path.stem,
        group=path.stem,
        source=path.name,
        fps=film.fps,
        gap=0.5,
        size=film.size,
        records=records,
        controls=CONTROLS,
        labelled=False,
    )

"""The formats that can be imported, and how one is recognised."""

from pathlib import Path
from typing import Protocol

from worldmodel.data.importers import csgo, events, lerobot, owamcap, owl, plain, vpt
from worldmodel.data.importers.files import shown
from worldmodel.data.importers.record import Recording
from worldmodel.data.importers.settings import Settings
from worldmodel.errors import UserError


class Format(Protocol):
    """A module of this folder: does a source hold this format, and what recordings."""

    def holds(self, source: Path) -> bool: ...

    def recordings(self, source: Path, settings: Settings) -> list[Recording]: ...


FORMATS: dict[str, Format] = {
    "lerobot": lerobot,
    "owl": owl,
    "owamcap": owamcap,
    "csgo": csgo,
    "vpt": vpt,
    "events": events,
    "video": plain,
}


def choose(source: Path, name: str) -> str:
    """Return the format's name, found by looking when "auto" was asked for.

    Raises UserError when the source is missing, holds none, or only videos (which are imported
    without their keys only when this is said).
    """
    if not source.exists():
        raise UserError(f"{shown(source)} is not there; name a folder of recordings.")
    if name in FORMATS:
        return name
    if name != "auto":
        raise UserError(f"There is no format {name!r}; there are {', '.join(FORMATS)} and auto.")
    found = next((n for n, one in FORMATS.items() if one.holds(source)), None)
    if found is None:
        raise UserError(
            f"{shown(source)} holds no recording of a format that is known: {', '.join(FORMATS)}."
        )
    if found == "video":
        raise UserError(
            f"{shown(source)} holds videos without keys beside them; say --format video to import "
            f"them with unknown actions, or --format events with a --mapping of their tables."
        )
    return found

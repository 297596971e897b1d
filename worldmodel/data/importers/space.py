"""The controls of what is imported: named by the user, by the format, or made of the keys used."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from worldmodel.data.importers.files import shown
from worldmodel.data.importers.record import Recording
from worldmodel.data.importers.settings import Settings
from worldmodel.data.meta import AXES, load_meta
from worldmodel.errors import UserError
from worldmodel.games.base import ControlSpace

MOST = 24  # buttons that are made of the keys used


def controls_of(recordings: Sequence[Recording], settings: Settings) -> ControlSpace:
    """Return the controls that all recordings get.

    In this order: those the user named (--controls or the mapping's buttons), those of the format,
    or a button for each key that was pressed, named after it, and the axes that moved.
    Raises UserError when formats disagree or nothing was pressed.
    """
    if settings.controls is not None:
        return settings.controls
    own = {str(r.controls): r.controls for r in recordings if r.controls is not None}
    if len(own) > 1:
        raise UserError("The recordings have different controls; import them one by one.")
    for space in own.values():
        return settings.mapping.controls(space.axes) or space
    counts: Counter[str] = Counter()
    for recording in recordings:
        counts.update(recording.presses())
    axes = tuple(axis for axis in AXES if counts[axis])
    named = settings.mapping.controls(axes)
    if named is not None:
        return named
    keys = [key for key, _ in counts.most_common() if key not in AXES][:MOST]
    if not keys and not axes:
        raise UserError(
            "No key is pressed in any of the recordings, so there is nothing to learn; import them "
            "with --format video if their keys are not known."
        )
    return ControlSpace(buttons=tuple(keys), axes=axes, keymap={key: key for key in keys})


def controls_in(data: Path) -> ControlSpace:
    """Return the controls of an episode or of the first episode in a collection.

    Raises UserError when there is none.
    """
    for pattern in ("meta.json", "*/meta.json", "*/*/meta.json"):
        for path in sorted(data.glob(pattern)):
            return load_meta(path.parent)[0].controls
    raise UserError(f"{shown(data)} should hold an episode with the controls, but holds none.")

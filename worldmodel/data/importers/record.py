"""What every importer hands over: recordings, each a stream of frames with what produced them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from worldmodel.games.base import ControlSpace

Picture = Callable[[], np.ndarray]  # decodes a frame when asked: uint8 [h w 3]


@dataclass(frozen=True, kw_only=True)
class Record:
    """A frame, when it was seen, and what was pressed since the one before.

    `time` is in seconds on the recording's own clock. `keys` are W3C codes (mouse buttons have
    names of the same kind, see keys.py) in the order they were pressed: those held when the frame
    was seen and those tapped since the frame before. `axes` are the mouse's counts since then.
    """

    picture: Picture
    time: float
    keys: tuple[str, ...] = ()
    axes: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Recording:
    """One recording; it becomes one episode, or several where it has gaps.

    `records` reads the files from their beginning each time. `shift` is by how many records a
    record's keys come too early: 1 where a format stores with a frame what was pressed after it.
    More than `gap` seconds without a record begin another episode. Recordings of one `group`
    (a session, a player) are never in both splits. `presses` counts how often each key goes down;
    it is asked only where neither the format nor the user names the controls. `notes` fills with
    sentences on what was handled, while the records are read.
    """

    name: str
    group: str
    source: str
    fps: float
    gap: float
    size: tuple[int, int]
    records: Callable[[], Iterator[Record]]
    presses: Callable[[], Mapping[str, int]] = dict
    shift: int = 0
    controls: ControlSpace | None = None
    scale: float | None = None  # of the axes; None: they are counts of a mouse
    labelled: bool = True
    game: str = "unknown"
    licence: str = "unknown"
    player: str = "human"
    heldout: bool | None = None  # where the format itself says which split
    notes: list[str] = field(default_factory=list)

    def note(self, sentence: str) -> None:
        """Keep a sentence for the report, once."""
        if sentence not in self.notes:
            self.notes.append(sentence)

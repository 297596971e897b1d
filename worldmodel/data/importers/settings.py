"""What a user asks of an import, whatever the format."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from worldmodel.data.importers.fit import FITS
from worldmodel.data.importers.mapping import Mapping
from worldmodel.data.importers.record import Recording
from worldmodel.errors import UserError
from worldmodel.games.base import ControlSpace

Place = TypeVar("Place")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """`size` is (height, width); `fps` None is the source's rate, halved until it is at most 30;
    `gap` None is the format's own; `shift` is in frames of the source and comes on top of the
    format's; `offset` is in seconds and moves events against the frames."""

    size: tuple[int, int] = (96, 128)
    fps: float | None = None
    fit: str = "crop"
    shift: int = 0
    offset: float = 0.0
    gap: float | None = None
    heldout: float = 0.1
    shortest: int = 16
    longest: int = 3000
    keep_menus: bool = False
    skip_damaged: bool = False
    game: str | None = None
    licence: str | None = None
    controls: ControlSpace | None = None
    mapping: Mapping = field(default_factory=Mapping)
    left_out: list[str] = field(default_factory=list)  # sentences on damaged recordings

    def __post_init__(self) -> None:
        """Raise UserError for what cannot be done."""
        height, width = self.size
        sentences = {
            f"size should be two even numbers of 16 to 4096, not {height} {width}": not all(
                16 <= side <= 4096 and side % 2 == 0 for side in self.size
            ),
            f"fps should be 1 to 240, not {self.fps}": self.fps is not None
            and not 1 <= self.fps <= 240,
            f"fit should be one of {', '.join(FITS)}, not {self.fit}": self.fit not in FITS,
            f"heldout should be 0 to 0.9, not {self.heldout}": not 0 <= self.heldout <= 0.9,
            f"gap should be more than 0, not {self.gap}": self.gap is not None and self.gap <= 0,
            f"episodes should have 2 or more frames, shortest {self.shortest} to longest "
            f"{self.longest}": not 2 <= self.shortest <= self.longest,
            f"shift should be -100 to 100 frames, not {self.shift}": abs(self.shift) > 100,
        }
        for sentence, wrong in sentences.items():
            if wrong:
                raise UserError(f"{sentence}.")

    def gather(
        self, places: Iterable[Place], make: Callable[[Place], Recording]
    ) -> list[Recording]:
        """Make a recording of each place; damaged ones are left out and noted, if so asked."""
        found = []
        for place in places:
            try:
                found.append(make(place))
            except UserError as error:
                if not self.skip_damaged:
                    raise
                self.left_out.append(str(error))
        return found

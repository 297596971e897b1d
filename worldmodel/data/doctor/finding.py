"""What an examination found: a verdict, a sentence, figures, and places to look at."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    """Only WRONG makes the doctor's command fail; UNSURE is said instead of guessing."""

    OK = "ok"
    NOTE = "note"
    UNSURE = "cannot tell"
    WRONG = "wrong"


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A frame worth looking at: `place` and `row` in its episode, and what to say below it."""

    place: int
    row: int
    caption: str


@dataclass(frozen=True, kw_only=True)
class Finding:
    """`figures` are plain JSON; `shown` are pictures for the page."""

    name: str
    verdict: Verdict
    sentence: str
    figures: Mapping[str, Any] = field(default_factory=dict)
    shown: tuple[Shown, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return what --json prints."""
        return {
            "name": self.name,
            "verdict": str(self.verdict),
            "sentence": self.sentence,
            "figures": dict(self.figures),
        }

"""What an episode says about itself: meta.json."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from worldmodel.errors import UserError
from worldmodel.games.base import ControlSpace

SCHEMA = 1
ALIGNMENT = "action[k] produced frame[k]"
ACTIONS = ("known", "unknown")
AXES = {"look_x": "dx", "look_y": "dy"}  # our axis -> field of "mouse"


@dataclass(frozen=True, kw_only=True)
class Meta:
    """Where the frames come from; `size` is (height, width), `fps` frames a second.

    `actions` is "unknown" where nobody recorded the keys (the controls are zeros that mean
    nothing); `source` says what an imported episode was made of; `ended` that the game was over
    after the last frame.
    """

    fps: float
    size: tuple[int, int]
    controls: ControlSpace
    game: str
    seed: int
    player: str
    licence: str
    actions: str = "known"
    source: str = ""
    ended: bool = False

    def __post_init__(self) -> None:
        """Raise ValueError when `actions` is neither known nor unknown."""
        if self.actions not in ACTIONS:
            raise ValueError(f"actions should be one of {ACTIONS}, not {self.actions!r}")

    def to_json(self, frames: int) -> dict[str, Any]:
        """Return the content of meta.json for an episode of so many frames."""
        return {
            "schema": SCHEMA,
            "alignment": ALIGNMENT,
            "frames": frames,
            "fps": self.fps,
            "size": list(self.size),
            "game": self.game,
            "seed": self.seed,
            "player": self.player,
            "licence": self.licence,
            "actions": self.actions,
            "source": self.source,
            "ended": self.ended,
            "controls": self.controls.to_json(),
        }

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Self:
        """Rebuild from the content of meta.json; raise KeyError, TypeError or ValueError."""
        height, width = record["size"]
        return cls(
            fps=float(record["fps"]),
            size=(int(height), int(width)),
            controls=ControlSpace.from_json(record["controls"]),
            game=str(record["game"]),
            seed=int(record["seed"]),
            player=str(record["player"]),
            licence=str(record["licence"]),
            actions=str(record.get("actions", "known")),
            source=str(record.get("source", "")),
            ended=bool(record.get("ended", False)),
        )


def load_meta(folder: Path) -> tuple[Meta, int]:
    """Read an episode's meta.json; return it with the number of frames.

    Raises UserError, naming the file, when it is missing, damaged or of another schema.
    """
    path = folder / "meta.json"
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(
            f"{path} is missing, so {folder} is no episode; name a folder that holds video.mp4, "
            f"actions.jsonl and meta.json."
        ) from error
    except (OSError, ValueError) as error:
        raise UserError(f"{path} should be JSON but cannot be read ({error}); {ADVICE}") from error
    if not isinstance(record, dict) or record.get("schema") != SCHEMA:
        found = record.get("schema") if isinstance(record, dict) else None
        raise UserError(
            f"{path} should have schema {SCHEMA}, but has {found!r}; record the episode again with "
            f"this version, or read it with the version that wrote it."
        )
    if record.get("alignment") != ALIGNMENT:
        raise UserError(
            f"{path} should state the alignment {ALIGNMENT!r}, but has "
            f"{record.get('alignment')!r}; shift its actions and correct the statement."
        )
    try:
        return Meta.from_json(record), int(record["frames"])
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} is incomplete or wrong ({error!r}); {ADVICE}") from error


ADVICE = "restore the file, or delete the episode and record it again."

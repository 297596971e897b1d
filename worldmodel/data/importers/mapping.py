"""The small file with which a user says what the columns and keys of a source mean."""

from collections.abc import Mapping as Table
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self

from worldmodel.data.importers.files import json_file, shown
from worldmodel.data.importers.keys import code_of
from worldmodel.errors import UserError
from worldmodel.games.base import ControlSpace

UNITS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
KINDS = ("events", "held")
ALIGNMENTS = ("before", "after")


@dataclass(frozen=True, kw_only=True)
class Mapping:
    """What a mapping file may say; every field has a default.

    `keys` goes from the source's names of keys to W3C codes. `buttons` goes from W3C codes to the
    buttons of the world, and makes only these keys count. `scale` is how much of an axis one
    count of the mouse is.

    Of a table beside a video (format `events`): `suffix` ends its file's name; `kind` is "events"
    (a key goes down or up at a time) or "held" (all keys held from a time or a frame on); `time`,
    `key`, `state`, `held`, `frame`, `dx` and `dy` name its columns; `unit` is that of the times;
    `down` and `up` are what the state column holds; `alignment` says whether a row of a "held"
    table that names a frame is what was done "before" it (and produced it) or "after" it was seen.

    Of a LeRobotDataset: `action` names the feature, `camera` the video, `columns` goes from a
    number in the action to a button, `look_x` or `look_y`.
    """

    keys: Table[str, str] = field(default_factory=dict)
    buttons: Table[str, str] = field(default_factory=dict)
    opposites: tuple[tuple[str, str], ...] = ()
    scale: float = 0.01
    suffix: str = ""
    kind: str = "events"
    time: str = "time"
    frame: str = "frame"
    key: str = "key"
    state: str = "state"
    held: str = "keys"
    dx: str = "dx"
    dy: str = "dy"
    unit: str = "s"
    down: tuple[str, ...] = ("down", "press", "pressed", "1", "true", "keydown")
    up: tuple[str, ...] = ("up", "release", "released", "0", "false", "keyup")
    alignment: str = "after"
    action: str = "action"
    camera: str = ""
    columns: Table[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a mapping file; raise UserError, naming the field, for what cannot be meant."""
        record = json_file(path)
        known = {f.name: f for f in fields(cls)}
        unknown = sorted(set(record) - set(known))
        if unknown:
            raise UserError(
                f"{shown(path)} has the unknown fields {unknown}; it may have {sorted(known)}."
            )
        found = cls(**{name: _typed(path, name, value) for name, value in record.items()})
        for name, value, allowed in (
            ("kind", found.kind, KINDS),
            ("unit", found.unit, tuple(UNITS)),
            ("alignment", found.alignment, ALIGNMENTS),
        ):
            if value not in allowed:
                raise UserError(f"{shown(path)}: {name} should be one of {allowed}, not {value!r}.")
        wrong = [c for c in (*found.keys.values(), *found.buttons) if code_of(c) != c]
        if wrong:
            raise UserError(f"{shown(path)} names {wrong}, which are no W3C key codes like KeyW.")
        return found

    def code(self, name: str) -> str | None:
        """The W3C code of one of the source's key names; None when it has none."""
        return self.keys.get(name) or code_of(name)

    def controls(self, axes: tuple[str, ...]) -> ControlSpace | None:
        """The world's controls with these axes, if the file names its buttons."""
        if not self.buttons:
            return None
        return ControlSpace(
            buttons=tuple(dict.fromkeys(self.buttons.values())),
            axes=axes,
            keymap=dict(self.buttons),
            opposites=self.opposites,
        )


def _typed(path: Path, name: str, value: Any) -> Any:
    """A field's value with the type of its default."""
    default = getattr(Mapping(), name)
    if isinstance(default, float) and isinstance(value, int | float):
        return float(value)
    if isinstance(default, tuple) and isinstance(value, list):
        return tuple(tuple(v) if isinstance(v, list) else str(v) for v in value)
    if isinstance(default, dict) and isinstance(value, dict):
        return {str(k): str(v) for k, v in value.items()}
    if isinstance(default, str) and isinstance(value, str):
        return value
    kind = {float: "a number", tuple: "a list", dict: "an object", str: "a text"}[type(default)]
    raise UserError(f"{shown(path)}: {name} should be {kind}, not {value!r:.40}.")

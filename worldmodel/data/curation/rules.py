"""The rules of a curation, read from a TOML file."""

import dataclasses
import tomllib
import types
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from worldmodel.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Still:
    """Stretches in which the picture changes by less than `below` grey levels a frame, in the mean
    over a second; `keep` frames of each stay, half at its beginning and half at its end."""

    below: float = 0.5
    keep: int = 12


@dataclass(frozen=True, kw_only=True)
class Duplicates:
    """Frames that change by less than `below`, between frames that change by more than `moving`
    under the same keys."""

    below: float = 0.5
    moving: float = 2.0


@dataclass(frozen=True, kw_only=True)
class Black:
    """Frames whose brightest part is below this value (of 255)."""

    below: int = 16


@dataclass(frozen=True, kw_only=True)
class Balance:
    """Largest share that one combination of keys, or one kind of picture of `kinds`, may have."""

    keys: float = 1.0
    places: float = 1.0
    kinds: int = 32


@dataclass(frozen=True, kw_only=True)
class Split:
    """Held-out share of the seeds (by = "seed") or of the episodes ("episode"); without this rule
    splits stay as they are."""

    heldout: float
    by: str = "seed"
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What is left out; None: nothing for that reason. `idle` counts frames without a key only,
    `low_motion` all. A stretch of fewer than `shortest` frames between two cuts goes, too."""

    shortest: int = 24
    idle: Still | None = None
    low_motion: Still | None = None
    duplicates: Duplicates | None = None
    black: Black | None = None
    balance: Balance | None = None
    split: Split | None = None

    def __post_init__(self) -> None:
        """Raise ValueError when a number is out of its range."""
        parts = {"shortest": (self.shortest, 2, None)}
        for name in ("idle", "low_motion"):
            if (rule := vars(self)[name]) is not None:
                parts |= {
                    f"{name}.below": (rule.below, 0, 255),
                    f"{name}.keep": (rule.keep, 0, None),
                }
        if self.balance:
            balance = self.balance
            parts |= {f"balance.{n}": (vars(balance)[n], 0.001, 1) for n in ("keys", "places")}
            parts["balance.kinds"] = balance.kinds, 2, 1000
        if self.split:
            parts["split.heldout"] = self.split.heldout, 0, 1
            if self.split.by not in ("seed", "episode"):
                raise ValueError(f'split.by should be "seed" or "episode", not {self.split.by!r}')
        for name, (value, low, high) in parts.items():
            if value < low or (high is not None and value > high):
                upper = "more" if high is None else high
                raise ValueError(f"{name} should be {low} to {upper}, not {value}")

    def to_json(self) -> dict[str, Any]:
        """Return the rules that are there."""
        return {
            name: value for name, value in dataclasses.asdict(self).items() if value is not None
        }


def read_rules(path: str | Path) -> Rules:
    """Read a rules file. Raises UserError, naming file and place, when it is missing or wrong."""
    path = Path(path)
    try:
        record = tomllib.loads(path.read_text(encoding="utf-8"))
        return _build(Rules, record, "")
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing; docs/data.md shows a file of rules.") from error
    except (OSError, ValueError) as error:
        raise UserError(f"{path} should be rules in TOML, but is not: {error}.") from error


def _build(kind: type, record: Any, where: str) -> Any:
    """A frozen dataclass from a TOML table; ValueError for what it does not know."""
    if not isinstance(record, dict):
        raise ValueError(f"{where} should be a table of its own, [{where}]")
    hints = typing.get_type_hints(kind)
    unknown = sorted(set(record) - set(hints))
    if unknown:
        names = ", ".join(hints)
        raise ValueError(f"there is no {_at(where, unknown[0])}; choose from {names}")
    values = {name: _value(hints[name], value, _at(where, name)) for name, value in record.items()}
    missing = [
        field.name
        for field in dataclasses.fields(kind)
        if field.default is dataclasses.MISSING and field.name not in values
    ]
    if missing:
        raise ValueError(f"{_at(where, missing[0])} is missing")
    return kind(**values)


def _value(hint: Any, value: Any, where: str) -> Any:
    if isinstance(hint, types.UnionType):
        return _build(typing.get_args(hint)[0], value, where)
    wanted = (int, float) if hint is float else (hint,)
    if type(value) not in wanted:
        raise ValueError(f"{where} should be {hint.__name__}, not {value!r}")
    return value


def _at(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name

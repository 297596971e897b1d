"""Frozen dataclasses from JSON: what does not fit is a sentence."""

import dataclasses
import types
import typing
from typing import Any

from worldmodel.errors import UserError


def from_json(kind: type, record: dict[str, Any], where: str) -> Any:
    """A frozen dataclass from JSON: unknown or missing fields are a sentence, lists are tuples."""
    hints = typing.get_type_hints(kind)
    unknown = sorted(set(record) - set(hints))
    if unknown:
        raise UserError(f"{where} has unknown fields {', '.join(unknown)}; update worldmodel")
    values = {}
    for name, value in record.items():
        hint = hints[name]
        if dataclasses.is_dataclass(hint) and isinstance(value, dict):
            value = from_json(hint, value, f"{where} ({name})")
        elif isinstance(value, list):
            value = tuple(value)
        if not _fits(value, hint):
            wanted = hint.__name__ if isinstance(hint, type) else hint
            raise UserError(f"{where}: {name} should be {wanted}, found {value!r}; mend the file")
        values[name] = value
    try:
        return kind(**values)
    except TypeError as error:
        raise UserError(f"{where} is incomplete ({error}); copy the checkpoint again") from None


def _fits(value: object, hint: Any) -> bool:
    if isinstance(hint, types.UnionType):
        return any(_fits(value, one) for one in typing.get_args(hint))
    if typing.get_origin(hint) is tuple:
        kinds = typing.get_args(hint)
        if not isinstance(value, tuple):
            return False
        kinds = kinds[:1] * len(value) if kinds[-1] is Ellipsis else kinds
        return len(kinds) == len(value) and all(map(_fits, value, kinds))
    if hint is float:
        return type(value) in (int, float)
    return type(value) is int if hint is int else isinstance(value, hint)

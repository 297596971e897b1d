"""Flags made from signatures and dataclasses: names, types and defaults are written only there."""

import argparse
import dataclasses
import inspect
import typing
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Mapping
from typing import Any


def add_options(
    parser: ArgumentParser, function: Callable, texts: Mapping[str, str], **defaults: object
) -> None:
    """A flag for each parameter of `function` (or field of a dataclass) that has a text.

    Types and defaults are the signature's; `defaults` are put in their place.
    """
    for name, parameter in inspect.signature(function).parameters.items():
        if name not in texts:
            continue
        default = defaults.get(name, parameter.default)
        shown = " ".join(map(str, default)) if isinstance(default, tuple) else default
        note = "" if default is None else f" (default: {shown})"
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            default=default,
            help=texts[name].replace("%", "%%") + note,
            **_parsing(default, parameter.annotation),
        )


def add_changes(parser: ArgumentParser, config: object, texts: Mapping[str, str]) -> None:
    """A flag for each field of a dataclass that has a text; unset unless given.

    `config` is shown as what holds without the flag.
    """
    for field in dataclasses.fields(config):
        if field.name in texts:
            value = vars(config)[field.name]
            shown = " ".join(map(str, value)) if isinstance(value, tuple) else value
            parser.add_argument(
                f"--{field.name.replace('_', '-')}",
                default=None,
                help=f"{texts[field.name].replace('%', '%%')} (cpu: {shown})",
                **_parsing(value, typing.get_type_hints(type(config))[field.name]),
            )


def changed(config: Any, options: Namespace, texts: Iterable[str]) -> Any:
    """`config` with the values of those of `add_changes`' flags that were given."""
    given = {k: v for k, v in chosen(options, texts).items() if v is not None}
    return dataclasses.replace(config, **given)


def _parsing(default: object, annotation: Any) -> dict[str, Any]:
    """How argparse reads a value like `default`."""
    if isinstance(default, bool):
        return {"action": argparse.BooleanOptionalAction}
    if isinstance(default, tuple):
        any_number = typing.get_args(annotation)[-1] is Ellipsis
        return {
            "type": type(default[0]),
            "nargs": "+" if any_number else len(default),
            "metavar": "N",
        }
    kind = type(default)
    if default is None:
        kind = next(one for one in typing.get_args(annotation) if one is not type(None))
    return {"type": kind, "metavar": "N"} if kind in (int, float) else {"type": kind}


def chosen(options: Namespace, texts: Iterable[str]) -> dict[str, Any]:
    """The values of `add_options`' flags, by parameter."""
    values = {name: vars(options)[name] for name in texts}
    return {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}

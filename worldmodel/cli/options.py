"""Flags made from signatures and dataclasses: names, types and defaults are written only there."""

import argparse
import dataclasses
import inspect
import typing
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from worldmodel.errors import UserError

ARRAYS = "arrays that `worldmodel prepare` wrote"


def add_data(parser: ArgumentParser) -> None:
    """The argument that most commands begin with."""
    parser.add_argument("data", type=Path, help=ARRAYS)


def add_tokenizer(parser: ArgumentParser) -> None:
    parser.add_argument("tokenizer", type=Path, help="run of a tokenizer, or its .safetensors file")


def add_motion(parser: ArgumentParser) -> None:
    text = "run of a motion network, or its file (default: no motion)"
    parser.add_argument("--motion", type=Path, help=text)


def add_checkpoint(parser: ArgumentParser, text: str) -> None:
    parser.add_argument("checkpoint", type=Path, help=text)


def add_run(parser: ArgumentParser, default: str) -> None:
    """--run, of a command that can be called again."""
    text = f"folder of the run; one begun there goes on (default: {default})"
    parser.add_argument("--run", type=Path, default=Path(default), help=text)


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


def add_changes(
    parser: ArgumentParser, config: object, texts: Mapping[str, str], whose: str = "cpu: "
) -> None:
    """A flag for each field of a dataclass that has a text; unset unless given.

    `config` is shown as what holds without the flag, and `whose` it is.
    """
    for field in dataclasses.fields(config):
        if field.name in texts:
            value = vars(config)[field.name]
            shown = " ".join(map(str, value)) if isinstance(value, tuple) else value
            parser.add_argument(
                f"--{field.name.replace('_', '-')}",
                default=None,
                help=f"{texts[field.name].replace('%', '%%')} ({whose}{shown})",
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
        several = {"type": type(default[0]), "nargs": "+" if any_number else len(default)}
        return several if isinstance(default[0], str) else several | {"metavar": "N"}
    kind = type(default)
    if default is None:
        kind = next(one for one in typing.get_args(annotation) if one is not type(None))
        if typing.get_origin(kind) is tuple:  # any number of them
            return {"type": typing.get_args(kind)[0], "nargs": "+"}
    return {"type": kind, "metavar": "N"} if kind in (int, float) else {"type": kind}


def settings_of(text: str, function: Callable) -> dict[str, Any]:
    """Keyword arguments of `function` from "steps=1,speed=plain"; a bare word is a checkpoint.

    Raises UserError when there is no such setting or its value is of another kind.
    """
    parameters, given = inspect.signature(function).parameters, {}
    for word in text.split(","):
        name, equals, value = word.partition("=")
        name, value = (name, value) if equals else ("checkpoint", word)
        if name not in parameters:
            raise UserError(f"there is no setting {name!r} here; choose of {', '.join(parameters)}")
        given[name] = _read(name, value, parameters[name])
    return given


def _read(name: str, value: str, parameter: inspect.Parameter) -> Any:
    if name == "checkpoint":
        return value
    if isinstance(parameter.default, bool):
        if value not in ("true", "false"):
            raise UserError(f"{name} is true or false, found {value!r}")
        return value == "true"
    kind = _parsing(parameter.default, parameter.annotation)["type"]
    try:
        return kind(value)
    except ValueError:
        raise UserError(f"{name} should be of type {kind.__name__}, found {value!r}") from None


def chosen(options: Namespace, texts: Iterable[str]) -> dict[str, Any]:
    """The values of `add_options`' flags, by parameter."""
    values = {name: vars(options)[name] for name in texts}
    return {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}

"""Flags made from signatures and dataclasses: names, types and defaults are written only there."""

import argparse
import dataclasses
import inspect
import typing
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Mapping
from typing import Any

COLLECT = {
    "game": "game to play, as engine/scenario",
    "size": "height and width of a frame in pixels",
    "frames": "frames to record for training, at least",
    "heldout_frames": "frames to record for judging, at least",
    "workers": "games played at once; as many as cores unless given",
    "seed": "what players and games are drawn from",
    "shortest": "frames of an episode, at least",
    "longest": "frames of an episode, at most",
}
TRAIN = {
    "steps": "updates of the weights",
    "batch": "frames (tokenizer), pairs (motion) or clips (world) in an update",
    "learning_rate": "highest learning rate",
    "betas": "decay rates of AdamW's two moments",
    "weight_decay": "decoupled weight decay",
    "muon": "Muon for the matrices of transformer blocks",
    "muon_scale": "Muon's learning rate in units of the learning rate",
    "warmup": "updates over which the learning rate rises",
    "decay": "share of the updates, at the end, over which it falls to zero",
    "clip_norm": "largest norm of a gradient",
    "ema": "decay of the averaged weights",
    "seed": "what weights, batches and noise are drawn from",
    "bf16": "bfloat16 matrix products",
    "compile": "torch.compile, which takes minutes to begin",
    "threads": "processor threads; 0 leaves the choice to PyTorch",
    "log_every": "updates between two lines of the log",
    "validate_every": "updates between two held-out figures",
    "picture_every": "updates between two pictures",
    "save_every": "updates between two saved states",
}
TOKENIZER = {
    "height": "height of a frame in pixels",
    "width": "width of a frame in pixels",
    "latent_channels": "numbers in a latent of 8x8 pixels",
    "fine": "channels at a quarter of the resolution",
    "coarse": "channels at an eighth of the resolution",
    "encoder_blocks": "blocks of the encoder at a quarter and at an eighth",
    "decoder_blocks": "blocks of the decoder at an eighth and at a quarter",
}
MOTION = {
    "history": "controls that it is told, the newest and those before",
    "features": "channels of its convolutions",
    "blocks": "convolution blocks",
    "code": "numbers that the controls become",
}
WORLD = {
    "width": "numbers in a token",
    "depth": "transformer blocks",
    "heads": "attention heads",
    "dense": "blocks, counted from 0, that attend to past frames",
    "window": "past frames that are remembered",
    "features": "channels of the convolutions around the transformer",
    "stem_blocks": "convolution blocks before the transformer",
    "head_blocks": "convolution blocks after the transformer",
}
FLOW = {
    "clip": "frames of a training clip",
    "moving": "share of the clips drawn in proportion to their motion",
    "dropout": "share of the frames whose keys are hidden, for guidance",
    "warm_start": "noise level at which begins what the motion network has moved along",
    "own": "share of the clips whose past the world dreams itself, once that has begun",
    "own_last": "share of the run, at its end, in which pasts are dreamed",
}
WINDOW = {
    "scene": "opening scene by its name; the first one unless given",
    "picture": "picture to begin in, not a scene",
    "seed": "what the dream is drawn from",
    "steps": "sampler steps a frame; the checkpoint's own unless given",
    "guidance": "guidance scale; the checkpoint's own unless given",
    "scale": "window pixels to a pixel of the world",
}
EVALUATE = {
    "clips": "held-out clips to judge on",
    "steps": "sampler steps a frame; the checkpoint's own unless given",
}
BENCH = {
    "frames": "frames to measure",
    "steps": "sampler steps a frame; the world's own unless given",
    "device": "PyTorch device",
    "speed": "auto, plain, openvino or openvino-bf16",
    "threads": "threads of PyTorch; its own choice unless given",
}


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

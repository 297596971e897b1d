"""Controls learned from the keys that were pressed: every key that is seen becomes a button."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from worldmodel.data.atomic import write_json
from worldmodel.data.meta import Meta, load_meta
from worldmodel.data.records import read_json
from worldmodel.games.base import ControlSpace


def learned(keys: Iterable[str], axes: tuple[str, ...] = ()) -> ControlSpace:
    """Controls with a button for each key, named like it."""
    buttons = tuple(sorted(set(keys)))
    return ControlSpace(buttons=buttons, axes=axes, keymap={key: key for key in buttons})


def is_learned(space: ControlSpace) -> bool:
    """Whether every button is a key of the same name."""
    return space == learned(space.buttons, space.axes)


def unite(data: Path) -> int:
    """Give all episodes of a data set whose controls were learned the keys of all of them.

    An episode in which a key was never pressed has its button up all the time, so nothing that
    was recorded changes. Returns how many episodes were rewritten. Raises UserError for a damaged
    meta.json.
    """
    found = [(path, *load_meta(path.parent)) for path in sorted(data.glob("*/[!.]*/meta.json"))]
    own = [(path, meta, frames) for path, meta, frames in found if is_learned(meta.controls)]
    space = learned(key for _, meta, _ in own for key in meta.controls.buttons)
    rewritten = [_give(path, meta, space, frames) for path, meta, frames in own]
    return sum(rewritten)


def _give(path: Path, meta: Meta, space: ControlSpace, frames: int) -> bool:
    wanted = replace(meta, controls=learned(space.buttons, meta.controls.axes))
    if wanted == meta:
        return False
    write_json(path, {**read_json(path), **wanted.to_json(frames)})
    return True

"""Prepared arrays under other controls: frames are linked, what depends on keys is left behind.

Controls of a frame that nobody knows are NaN.
"""

import json
import os
import shutil
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap

from worldmodel.data.atomic import whole_folder, write_json
from worldmodel.data.clips import FrameStore
from worldmodel.data.records import read_json
from worldmodel.errors import UserError
from worldmodel.games.base import ControlSpace

NOTE = "controls_from"  # in episodes.json of what this file writes
ROWS = 2048  # copied at once


def write_view(
    store: FrameStore,
    out: Path,
    controls: np.ndarray,
    note: Mapping[str, object],
    *,
    space: ControlSpace | None = None,
    episodes: int | None = None,
    **arrays: np.ndarray,
) -> None:
    """Write `out` with the store's frames under `controls`, float32 [n m], whole or not at all.

    `note` says where the controls are from. With `episodes`, only the first so many are taken.
    `space` names the controls, the store's own unless given; `arrays` float32 [n ...] are saved
    beside. Raises UserError when `out` holds something else or is the store itself.
    """
    count = episodes or len(store.episodes)
    rows = store.episodes[count - 1].stop
    refuse_to_overwrite(out, store.folder)
    record = read_json(store.folder / "episodes.json")
    record.pop("view", None)  # a curated store's rows are written out
    record["episodes"] = [told(span, controls) for span in record["episodes"][:count]]
    record["controls"] = (space or store.space).to_json()
    key = json.dumps([record["source"], dict(note), count])
    record |= {"source": sha256(key.encode()).hexdigest(), NOTE: dict(note)}
    with whole_folder(out) as partial:
        take(store.folder / "frames.npy", store.frames, partial / "frames.npy", rows)
        for path in latents_of(store):
            take(path, np.load(path, mmap_mode="r"), partial / path.name, rows)
        small = {"controls": controls, "motion": store.motion, **arrays}
        for name, array in small.items():
            np.save(partial / f"{name}.npy", np.asarray(array[:rows], np.float32))
        write_json(partial / "episodes.json", record)


def told(span: dict[str, object], controls: np.ndarray) -> dict[str, object]:
    """An episode's record, whose `actions` are known if any of its controls is."""
    rows = controls[span["start"] : span["stop"]]
    known = bool((~np.isnan(rows).any(axis=1)).any())
    return {**span, "actions": "known" if known else "unknown"} if "actions" in span else span


def refuse_to_overwrite(out: Path, source: Path) -> None:
    """Raise UserError unless `out` is new or of this file's making."""
    if out.resolve() == source.resolve():
        raise UserError(f"{out} is the data itself; name another folder with --out")
    index = out / "episodes.json"
    if out.exists() and not (index.is_file() and NOTE in read_json(index)):
        raise UserError(f"{out} exists and holds other things; name another folder with --out")


def latents_of(store: FrameStore) -> list[Path]:
    """The cached latents that depend on frames alone: one hash in the name, not two."""
    return [p for p in store.folder.glob("latents-*.npy") if p.stem.count("-") == 1]


def take(path: Path, array: np.ndarray, target: Path, rows: int) -> None:
    """Make the first `rows` of an array appear at `target`: all by a link, fewer by a copy."""
    if len(array) == rows and path.is_file():
        try:
            os.link(path.resolve(), target)
        except OSError:  # another disk
            shutil.copyfile(path, target)
        return
    part = open_memmap(target, "w+", array.dtype, (rows, *array.shape[1:]))
    for start in range(0, rows, ROWS):
        part[start : start + ROWS] = array[start : min(start + ROWS, rows)]
    part.flush()

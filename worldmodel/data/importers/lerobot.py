"""LeRobotDataset v3 (github.com/huggingface/lerobot): parquet tables and videos of many episodes.

A row holds what was observed and the action taken on it, so row i produced frame i + 1. What a
number of the action means is said by `meta/worldmodel.json` (our own export), by names that are
W3C key codes or look_x and look_y, or by the mapping's `columns`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from worldmodel.data.importers.files import json_file, shown
from worldmodel.data.importers.film import frames_of, probe
from worldmodel.data.importers.keys import code_of
from worldmodel.data.importers.record import Record, Recording
from worldmodel.data.importers.settings import Settings
from worldmodel.data.meta import AXES
from worldmodel.errors import UserError
from worldmodel.games.base import ControlSpace

VERSION = "v3.0"
DATA = "data/chunk-{chunk:03d}/file-{file:03d}.parquet"
VIDEO = "videos/{key}/chunk-{chunk:03d}/file-{file:03d}.mp4"
LARGEST = 1 << 31  # bytes of a table in memory
OURS = "meta/worldmodel.json"
Columns = dict[int, str]  # number in the action -> button or axis


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """What meta/ says, with the one camera and the meaning of the action."""

    folder: Path
    fps: float
    camera: str
    action: str
    controls: ControlSpace
    columns: Columns
    heldout: range
    ours: Mapping[str, Any]


def holds(source: Path) -> bool:
    """Whether a folder is a LeRobotDataset of any version."""
    return (source / "meta" / "info.json").is_file()


def recordings(source: Path, settings: Settings) -> list[Recording]:
    """Every episode; raise UserError when the data set is of another version or unclear."""
    dataset = _dataset(source, settings)
    rows = [row for path in _episode_tables(source) for row in _rows(path)]
    return settings.gather(rows, lambda row: _recording(dataset, row))


def _rows(path: Path) -> list[dict[str, Any]]:
    """A table of episodes without its figures, which are many."""
    table = read_table(path)
    return table.select([n for n in table.column_names if not n.startswith("stats/")]).to_pylist()


def read_table(path: Path) -> Any:
    """A parquet file as a pyarrow Table; raise UserError, naming it, when it is damaged."""
    import pyarrow
    import pyarrow.parquet

    try:
        file = pyarrow.parquet.ParquetFile(path)
        groups = range(file.metadata.num_row_groups)
        if sum(file.metadata.row_group(g).total_byte_size for g in groups) > LARGEST:
            raise UserError(f"{shown(path)} would fill the memory with more than 2 GB.")
        return file.read()
    except (pyarrow.ArrowException, OSError) as error:
        raise UserError(f"{shown(path)} should be parquet but cannot be read ({error}).") from error


def _episode_tables(source: Path) -> list[Path]:
    found = sorted((source / "meta" / "episodes").glob("*/*.parquet"))
    if not found:
        raise UserError(f"{shown(source)} has no meta/episodes/*/*.parquet, so no episodes.")
    return found


def _dataset(source: Path, settings: Settings) -> Dataset:
    path = source / "meta" / "info.json"
    info = json_file(path)
    if info.get("codebase_version") != VERSION:
        raise UserError(
            f"{shown(path)} should be of version {VERSION}, but is of "
            f"{info.get('codebase_version')!r}; convert it with lerobot's own script first."
        )
    try:
        fps = float(info["fps"])
        if not 1 <= fps <= 1000:
            raise ValueError(f"fps {fps}")
        action, features = settings.mapping.action, dict(info["features"])
        camera = _camera(path, features, settings.mapping.camera)
        names = _names(features[action])
        ours = json_file(source / OURS) if (source / OURS).is_file() else {}
        controls, columns = _meaning(path, names, ours, settings)
        splits = str(info.get("splits", {}).get("heldout", "0:0")).split(":")
        return Dataset(
            folder=source,
            fps=fps,
            camera=camera,
            action=action,
            controls=controls,
            columns=columns,
            heldout=range(int(splits[0]), int(splits[1])),
            ours=ours,
        )
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{shown(path)} is not as lerobot writes it ({error!r:.60}).") from error


def _camera(path: Path, features: dict[str, Any], wanted: str) -> str:
    cameras = sorted(k for k, feature in features.items() if feature["dtype"] == "video")
    chosen = [key for key in cameras if wanted in ("", key)]
    if len(chosen) != 1 or not re.fullmatch(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*", chosen[0]):
        raise UserError(
            f"{shown(path)} has the cameras {cameras}; name one video as camera in a --mapping."
        )
    return chosen[0]


def _names(feature: dict[str, Any]) -> list[str]:
    """A name for each number of the action, its place where the data set gives none."""
    names = feature.get("names")
    if isinstance(names, dict):
        names = next(iter(names.values()), None)
    size = int(feature["shape"][0])
    return [str(n) for n in names] if isinstance(names, list) and len(names) == size else [
        str(place) for place in range(size)
    ]  # fmt: skip


def _meaning(
    path: Path, names: list[str], ours: Mapping[str, Any], settings: Settings
) -> tuple[ControlSpace, Columns]:
    """What the numbers of the action are."""
    if ours and not settings.mapping.columns:
        space = ControlSpace.from_json(ours["controls"])
        return space, dict(enumerate((*space.buttons, *space.axes)))
    told = settings.mapping.columns or {n: n for n in names if n in AXES or code_of(n) == n}
    places = {name: place for place, name in enumerate(names)}
    places |= {str(place): place for place in range(len(names))}
    if not told or not set(told) <= set(places):
        raise UserError(
            f"{shown(path)} has an action of {names}, which are no keys; say in a --mapping which "
            f'are buttons and which look_x and look_y: {{"columns": {{"{names[0]}": "forward"}}}}.'
        )
    columns = {places[name]: meaning for name, meaning in told.items()}
    buttons = tuple(dict.fromkeys(m for m in columns.values() if m not in AXES))
    keys = {button: key for key, button in settings.mapping.buttons.items()}
    space = ControlSpace(
        buttons=buttons,
        axes=tuple(axis for axis in AXES if axis in columns.values()),
        keymap={keys.get(button, button): button for button in buttons},
        opposites=settings.mapping.opposites,
    )
    return space, columns


def _recording(dataset: Dataset, row: dict[str, Any]) -> Recording:
    try:
        index, key = int(row["episode_index"]), f"videos/{dataset.camera}"
        video = dataset.folder / VIDEO.format(
            key=dataset.camera,
            chunk=int(row[f"{key}/chunk_index"]),
            file=int(row[f"{key}/file_index"]),
        )
        table = dataset.folder / DATA.format(
            chunk=int(row["data/chunk_index"]), file=int(row["data/file_index"])
        )
        start, length = float(row[f"{key}/from_timestamp"]), int(row["length"])
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{shown(dataset.folder)}: an episode in meta/episodes is damaged ({error!r:.60})."
        ) from error
    episode = (dataset.ours.get("episodes") or {}).get(str(index), {})
    return Recording(
        name=str(episode.get("name", f"episode-{index:06d}")),
        group=f"{dataset.folder.name} episode {index}",
        source=f"{dataset.folder.name} episode {index}",
        fps=dataset.fps,
        gap=1.5 / dataset.fps,
        size=probe(video).size,
        records=lambda: _records(dataset, table, video, index, start, length),
        shift=1,
        controls=dataset.controls,
        scale=1.0,
        game=str(dataset.ours.get("game", "unknown")),
        licence=str(dataset.ours.get("licence", "unknown")),
        player=str(episode.get("player", "human")),
        heldout=index in dataset.heldout if len(dataset.heldout) else None,
    )


@lru_cache(maxsize=2)
def _actions(table: Path, action: str) -> tuple[np.ndarray, np.ndarray]:
    """The episode of each row, int64 [n], and its action, float32 [n k]."""
    rows = read_table(table)
    try:
        return (
            np.asarray(rows["episode_index"].to_pylist(), np.int64),
            np.asarray(rows[action].to_pylist(), np.float32).reshape(len(rows), -1),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{shown(table)} has no {action!r} of one size ({error!r:.60}).") from error


def _records(
    dataset: Dataset, table: Path, video: Path, index: int, start: float, length: int
) -> Iterator[Record]:
    episodes, actions = _actions(table, dataset.action)
    own = actions[episodes == index]
    if len(own) != length or not np.isfinite(own).all() or own.shape[1] <= max(dataset.columns):
        raise UserError(
            f"{shown(table)} should hold {length} finite actions of episode {index}, but holds "
            f"{len(own)} of {own.shape[1]} numbers; leave it out with --skip-damaged."
        )
    keys = {button: key for key, button in reversed(dataset.controls.keymap.items())}
    count = 0
    for time, picture in frames_of(video, start):
        if count == length:
            return
        values = {name: float(own[count, place]) for place, name in dataset.columns.items()}
        yield Record(
            picture=picture,
            time=time - start,
            keys=tuple(keys[n] for n, v in values.items() if n in keys and v > 0.5),
            axes={name: value for name, value in values.items() if name in AXES},
        )
        count += 1
    if count < length:
        raise UserError(
            f"{shown(video)} ends after {count} of the {length} frames of episode {index}; leave "
            f"it out with --skip-damaged."
        )

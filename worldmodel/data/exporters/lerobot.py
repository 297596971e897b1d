"""Episodes as a LeRobotDataset v3 (github.com/huggingface/lerobot), for those who train with it.

Videos are joined without encoding them anew. A row of the data set holds frame k and the action
taken on it, that is the control of frame k + 1; the last row's action is all zeros.
`meta/worldmodel.json` keeps what LeRobot has no place for, so that our own importer reads back what
was written.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from worldmodel.data.atomic import whole_folder, write_json
from worldmodel.data.episode import Episode, load_episode
from worldmodel.data.exporters.joined import JoinedVideo
from worldmodel.data.exporters.statistics import describe, merged
from worldmodel.data.importers.lerobot import DATA, OURS, VERSION, VIDEO
from worldmodel.data.meta import Meta, load_meta
from worldmodel.data.plan import SPLITS
from worldmodel.data.progress import Progress
from worldmodel.errors import UserError

CAMERA = "observation.images.screen"
LARGEST = 200_000_000  # bytes of one video file
FILES = 1000  # in a chunk


@dataclass(frozen=True, kw_only=True)
class Written:
    """One episode: its row of meta/episodes, and its rows of data/."""

    row: dict[str, Any]
    data: dict[str, Any]
    action: dict[str, np.ndarray]
    picture: dict[str, np.ndarray]


def export_lerobot(data: str | Path, out: str | Path) -> int:
    """Write the collection (or the episodes directly in a folder) to `out`; return the episodes.

    Episodes whose actions are unknown are left out. Raises UserError when there is none, when
    they are of different worlds, or when `out` exists.
    """
    data, out = Path(data), Path(out)
    if out.exists():
        raise UserError(f"{out} exists already; choose another folder or delete it.")
    folders = _episodes(data)
    metas = [load_meta(folder)[0] for _, folder in folders]
    first = metas[0]
    for (_, folder), meta in zip(folders, metas, strict=True):
        if (meta.size, meta.fps, meta.controls) != (first.size, first.fps, first.controls):
            raise UserError(
                f"{folder} differs from {folders[0][1]} in size, frame rate or controls; export "
                f"the episodes of one world at a time."
            )
    with whole_folder(out) as partial:
        written = list(_write(partial, [folder for _, folder in folders]))
        _write_meta(partial, first, folders, metas, written)
    return len(folders)


def _episodes(data: Path) -> list[tuple[str, Path]]:
    """(split, folder) of every episode with known actions, training first."""
    found = [(s, path.parent) for s in SPLITS for path in sorted(data.glob(f"{s}/[!.]*/meta.json"))]
    found += [(SPLITS[0], path.parent) for path in sorted(data.glob("[!.]*/meta.json"))]
    known = [(s, folder) for s, folder in found if load_meta(folder)[0].actions == "known"]
    if not known:
        raise UserError(
            f"{data} should hold episodes with known actions, in train/ and heldout/ or directly, "
            f"but holds {len(found)} episodes of which none has."
        )
    return known


def _write(out: Path, folders: Sequence[Path]) -> Iterator[Written]:
    """Write videos and data, file by file."""
    progress, file, rows = Progress("export", len(folders), "episodes"), 0, []
    video = JoinedVideo(_place(out, VIDEO, file))
    total = 0
    for index, folder in enumerate(folders):
        episode = load_episode(folder)
        source = folder / "video.mp4"
        if video.frames and (video.bytes > LARGEST or not video.takes(source)):
            video.close()
            _save(_place(out, DATA, file), rows, episode.controls.shape[1])
            file, rows = file + 1, []
            video = JoinedVideo(_place(out, VIDEO, file))
        start = video.frames / episode.meta.fps
        video.append(source)
        written = _written(episode, index, total, file, start)
        total += len(episode.frames)
        rows.append(written.data)
        yield written
        progress.advance(1)
    video.close()
    _save(_place(out, DATA, file), rows, episode.controls.shape[1])
    progress.finish()


def _place(out: Path, pattern: str, file: int) -> Path:
    path = out / pattern.format(key=CAMERA, chunk=file // FILES, file=file % FILES)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _written(episode: Episode, index: int, total: int, file: int, start: float) -> Written:
    count, fps = len(episode.frames), episode.meta.fps
    action = np.concatenate([episode.controls[1:], np.zeros_like(episode.controls[:1])])
    place = {"chunk_index": file // FILES, "file_index": file % FILES}
    steps = np.arange(count)
    data = {
        "action": action,
        "timestamp": (steps / fps).astype(np.float32),
        "frame_index": steps,
        "episode_index": np.full(count, index),
        "index": total + steps,
        "task_index": np.zeros(count, np.int64),
    }
    row = {
        "episode_index": index,
        "tasks": [_task(episode.meta)],
        "length": count,
        "dataset_from_index": total,
        "dataset_to_index": total + count,
        **{f"data/{name}": value for name, value in place.items()},
        **{f"videos/{CAMERA}/{name}": value for name, value in place.items()},
        f"videos/{CAMERA}/from_timestamp": start,
        f"videos/{CAMERA}/to_timestamp": start + count / fps,
        "meta/episodes/chunk_index": 0,
        "meta/episodes/file_index": 0,
    }
    few = episode.frames[:: max(1, count // 50)].astype(np.float32) / 255  # t h w 3
    return Written(
        row=row, data=data, action=describe(action), picture=describe(few.reshape(-1, 3), len(few))
    )


def _task(meta: Meta) -> str:
    return f"play {meta.game}"


def _save(path: Path, rows: list[dict[str, Any]], size: int) -> None:
    """Write the rows of a data file, with the types that `datasets` expects."""
    import pyarrow
    import pyarrow.parquet

    joined = {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
    action = joined.pop("action").astype(np.float32)
    flat = pyarrow.array(action.reshape(-1))
    columns = {"action": pyarrow.FixedSizeListArray.from_arrays(flat, size)}
    if size == 1:
        columns["action"] = flat
    columns |= {name: pyarrow.array(values) for name, values in joined.items()}
    pyarrow.parquet.write_table(pyarrow.table(columns), path)


def _write_meta(
    out: Path,
    meta: Meta,
    folders: list[tuple[str, Path]],
    metas: list[Meta],
    written: list[Written],
) -> None:
    import pyarrow
    import pyarrow.parquet

    episodes = out / "meta" / "episodes" / "chunk-000"
    episodes.mkdir(parents=True)
    rows = [
        {**w.row, **_flat("action", w.action), **_flat(CAMERA, w.picture, picture=True)}
        for w in written
    ]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), episodes / "file-000.parquet")
    _write_tasks(out / "meta" / "tasks.parquet", _task(meta))
    stats = {
        "action": _listed(merged([w.action for w in written])),
        CAMERA: _listed(merged([w.picture for w in written]), picture=True),
    }
    write_json(out / "meta" / "stats.json", stats)
    write_json(out / "meta" / "info.json", _info(meta, folders, written))
    ours = {
        "game": meta.game,
        "licence": meta.licence,
        "controls": meta.controls.to_json(),
        "episodes": {
            str(index): {"name": folder.name, "player": one.player, "seed": one.seed}
            for index, ((_, folder), one) in enumerate(zip(folders, metas, strict=True))
        },
    }
    write_json(out / OURS, ours)


def _info(meta: Meta, folders: list[tuple[str, Path]], written: list[Written]) -> dict[str, Any]:
    frames = sum(w.row["length"] for w in written)
    height, width = meta.size
    training = sum(split == SPLITS[0] for split, _ in folders)
    fps = int(meta.fps) if meta.fps == int(meta.fps) else meta.fps
    numbers = {"shape": [1], "names": None}
    return {
        "codebase_version": VERSION,
        "robot_type": "keyboard",
        "total_episodes": len(written),
        "total_frames": frames,
        "total_tasks": 1,
        "chunks_size": FILES,
        "data_files_size_in_mb": 100,
        "video_files_size_in_mb": LARGEST // 1_000_000,
        "fps": fps,
        "splits": {"train": f"0:{training}", "heldout": f"{training}:{len(folders)}"},
        "data_path": DATA.replace("{chunk:", "{chunk_index:").replace("{file:", "{file_index:"),
        "video_path": VIDEO.replace("{chunk:", "{chunk_index:")
        .replace("{file:", "{file_index:")
        .replace("{key}", "{video_key}"),
        "features": {
            "action": {
                "dtype": "float32",
                "shape": [meta.controls.size],
                "names": [*meta.controls.buttons, *meta.controls.axes],
            },
            CAMERA: {
                "dtype": "video",
                "shape": [height, width, 3],
                "names": ["height", "width", "channels"],
                "info": {
                    "video.height": height, "video.width": width, "video.codec": "h264",
                    "video.pix_fmt": "yuv444p", "video.is_depth_map": False, "video.fps": fps,
                    "video.channels": 3, "has_audio": False,
                },
            },
            "timestamp": {"dtype": "float32", **numbers},
            **{
                name: {"dtype": "int64", **numbers}
                for name in ("frame_index", "episode_index", "index", "task_index")
            },
        },
    }  # fmt: skip


def _write_tasks(path: Path, task: str) -> None:
    """The table of tasks, whose index lerobot reads with pandas."""
    import pyarrow
    import pyarrow.parquet

    table = pyarrow.table({"task_index": pyarrow.array([0]), "task": pyarrow.array([task])})
    index = {
        "index_columns": ["task"],
        "column_indexes": [],
        "columns": [
            {"name": name, "field_name": name, "pandas_type": kind, "numpy_type": numpy,
             "metadata": None}
            for name, kind, numpy in (
                ("task_index", "int64", "int64"), ("task", "unicode", "object"),
            )
        ],
    }  # fmt: skip
    table = table.replace_schema_metadata({"pandas": json.dumps(index)})
    pyarrow.parquet.write_table(table, path)


def _flat(feature: str, figures: dict[str, np.ndarray], picture: bool = False) -> dict[str, Any]:
    return {f"stats/{feature}/{n}": v for n, v in _listed(figures, picture).items()}


def _listed(figures: dict[str, np.ndarray], picture: bool = False) -> dict[str, Any]:
    """Figures as lists; those of a picture's channels have the shape [3 1 1]."""
    return {
        name: (values.reshape(3, 1, 1) if picture and name != "count" else values).tolist()
        for name, values in figures.items()
    }

"""Decodes every episode once into arrays that are mapped into memory."""

from collections.abc import Iterator
from functools import partial
from hashlib import sha256
from os import cpu_count
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap

from worldmodel.data.atomic import whole_folder, write_json
from worldmodel.data.episode import load_episode
from worldmodel.data.meta import Meta, load_meta
from worldmodel.data.plan import SPLITS
from worldmodel.data.progress import Progress
from worldmodel.data.records import read_json
from worldmodel.data.workers import in_parallel
from worldmodel.errors import UserError


def prepare(data: str | Path, out: str | Path | None = None, *, workers: int | None = None) -> Path:
    """Write out/{train,heldout}/ with what a FrameStore reads; return `out`.

    `out` is data/arrays unless named. Each split gets frames.npy uint8 [n h w 3], controls.npy
    float32 [n k] (NaN where an episode's actions are unknown, as the world's network takes them),
    motion.npy float32 [n] and episodes.json. A split whose episodes have not
    changed is left as it is. Raises UserError when there is no episode, one is damaged, or they
    differ in size, rate or controls.
    """
    data = Path(data)
    out = data / "arrays" if out is None else Path(out)
    splits = [split for split in SPLITS if _episodes(data / split)]
    if not splits:
        raise UserError(
            f"{data} should hold episodes in train/ and heldout/, but holds none; "
            f"run worldmodel collect first."
        )
    for split in splits:
        _prepare_split(data / split, out / split, workers or cpu_count() or 1)
    return out


def _prepare_split(source: Path, out: Path, workers: int) -> None:
    folders = _episodes(source)
    source_hash = hash_episodes(folders)
    index = out / "episodes.json"
    if index.exists() and read_json(index).get("source") == source_hash:
        return
    loaded = [load_meta(folder) for folder in folders]
    _check_alike(folders, [meta for meta, _ in loaded])
    with whole_folder(out) as partial:
        record = _index(folders, loaded, source_hash)
        _allocate(partial, record)
        progress = Progress(f"prepare {source.name}", record["episodes"][-1]["stop"], "frames")
        for count in _decode_all(folders, record, partial, workers):
            progress.advance(count)
        progress.finish()
        write_json(partial / "episodes.json", record)


def _episodes(source: Path) -> list[Path]:
    """The finished episodes of a split; names of half-made ones begin with a dot."""
    return sorted(path.parent for path in source.glob("[!.]*/meta.json"))


def hash_episodes(folders: list[Path]) -> str:
    """Return a hash of the episodes' names, meta.json and file sizes."""
    digest = sha256()
    for folder in folders:
        sizes = [path.stat().st_size for path in sorted(folder.iterdir())]
        digest.update(f"{folder.name} {sizes} ".encode())
        digest.update((folder / "meta.json").read_bytes())
    return digest.hexdigest()


def _check_alike(folders: list[Path], metas: list[Meta]) -> None:
    first = metas[0]
    for folder, meta in zip(folders, metas, strict=True):
        if (meta.size, meta.fps, meta.controls) != (first.size, first.fps, first.controls):
            raise UserError(
                f"{folder} differs from {folders[0]} in size, frame rate or controls; "
                f"keep only episodes of one world in a folder."
            )


def _index(folders: list[Path], loaded: list[tuple[Meta, int]], source: str) -> dict[str, Any]:
    """The content of episodes.json: what is alike, and where each episode begins and stops."""
    first, stop, episodes = loaded[0][0], 0, []
    for folder, (meta, count) in zip(folders, loaded, strict=True):
        start, stop = stop, stop + count
        episodes.append(
            {
                "name": folder.name,
                "start": start,
                "stop": stop,
                "seed": meta.seed,
                "player": meta.player,
                "actions": meta.actions,
            }
        )
    return {
        "source": source,
        "game": first.game,
        "licence": first.licence,
        "fps": first.fps,
        "size": list(first.size),
        "controls": first.controls.to_json(),
        "episodes": episodes,
    }


def _allocate(folder: Path, record: dict[str, Any]) -> None:
    count = record["episodes"][-1]["stop"]
    space = record["controls"]
    width = len(space["buttons"]) + len(space["axes"])
    open_memmap(folder / "frames.npy", "w+", np.uint8, (count, *record["size"], 3))
    open_memmap(folder / "controls.npy", "w+", np.float32, (count, width))
    open_memmap(folder / "motion.npy", "w+", np.float32, (count,))


def _decode_all(
    folders: list[Path], record: dict[str, Any], out: Path, workers: int
) -> Iterator[int]:
    starts = [episode["start"] for episode in record["episodes"]]
    jobs = list(zip(folders, starts, strict=True))
    decode = partial(_decode, out)
    yield from map(decode, jobs) if workers == 1 else in_parallel(decode, jobs, workers)


def _decode(out: Path, job: tuple[Path, int]) -> int:
    """Decode one episode into the rows from its start on; return its number of frames."""
    folder, start = job
    episode = load_episode(folder)
    rows = slice(start, start + len(episode.frames))
    open_memmap(out / "frames.npy", "r+")[rows] = episode.frames
    known = episode.meta.actions == "known"
    open_memmap(out / "controls.npy", "r+")[rows] = episode.controls if known else np.nan
    open_memmap(out / "motion.npy", "r+")[rows] = motion(episode.frames)
    return len(episode.frames)


def motion(frames: np.ndarray) -> np.ndarray:
    """Return float32 [t]: each frame's mean absolute change from the one before (0 to 255), 0 for
    the first of uint8 [t h w 3]."""
    change = np.zeros(len(frames), np.float32)
    for index in range(1, len(frames)):
        after, before = frames[index].astype(np.int16), frames[index - 1]
        change[index] = np.abs(after - before).mean()
    return change

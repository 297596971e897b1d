"""Decodes every episode once into arrays that are mapped into memory."""

import json
import shutil
from collections.abc import Iterator
from hashlib import sha256
from os import cpu_count
from pathlib import Path
from typing import Any

from worldmodel.data.atomic import partial_of, publish, write_json
from worldmodel.data.checks import check_alike, check_episode, check_space
from worldmodel.data.clips import INDEX, FrameStore
from worldmodel.data.meta import Meta
from worldmodel.data.plan import SPLITS
from worldmodel.data.progress import Progress
from worldmodel.data.records import read_json
from worldmodel.data.unpack import Unpacking, allocate, array_bytes, hash_rows, unpack
from worldmodel.data.workers import in_parallel
from worldmodel.errors import UserError

PLAN, DONE = "plan.json", "done.jsonl"  # in the folder of a preparation under way


def prepare(data: str | Path, out: str | Path | None = None, *, workers: int | None = None) -> Path:
    """Write out/{train,heldout}/ with what a FrameStore reads; return `out`.

    `out` is data/arrays unless named. Each split gets frames.npy uint8 [n h w 3], controls.npy
    float32 [n k] (NaN where an episode's actions are unknown, as the world's network takes them),
    motion.npy float32 [n] and episodes.json, which holds a hash of each episode's rows. A split
    whose episodes have not changed is left as it is; a stopped preparation goes on with the same
    call, after the hashes of what it finds. Memory does not grow with the number of frames.

    Raises UserError when there is no episode, one is damaged, they differ in size, rate or
    controls, `out` holds other things, or the disk is too full; then there is either the whole
    split or none of it.
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
        _refuse_to_replace(out / split)
    for split in splits:
        _prepare_split(data / split, out / split, workers or cpu_count() or 1)
    return out


def verify(out: str | Path) -> int:
    """Read all arrays in out/{train,heldout}/ and compare them with their hashes; return how many
    episodes have one. Raises UserError, naming the first that differs."""
    checked = 0
    for index in sorted(Path(out).glob(f"[!.]*/{INDEX}")):
        store = FrameStore(index.parent)
        for span, expected in zip(store.episodes, store.record.get("sha256", ()), strict=False):
            if hash_rows(store.folder, slice(span.start, span.stop)) != expected:
                raise UserError(
                    f"Rows {span.start} to {span.stop - 1} of the arrays in {store.folder} "
                    f"(episode {span.name}) have changed since they were written; "
                    f"delete {store.folder} and run worldmodel prepare again."
                )
            checked += 1
    return checked


def _refuse_to_replace(folder: Path) -> None:
    """Raise UserError unless a split's folder is new, or of arrays that may be made again."""
    if folder.is_symlink() or (folder.exists() and not (folder / INDEX).exists()):
        raise UserError(f"{folder} holds other things than arrays; name another folder with --out.")


def _prepare_split(source: Path, out: Path, workers: int) -> None:
    folders = _episodes(source)
    loaded = [check_episode(folder) for folder in folders]
    source_hash = hash_episodes(folders)
    index = out / INDEX
    if index.exists() and read_json(index).get("source") == source_hash:
        return
    check_alike(folders, [meta for meta, _ in loaded])
    record = _index(folders, loaded, source_hash)
    partial = partial_of(out)
    done = _go_on(partial, record)
    try:
        hashes = _unpack_all(folders, record, partial, done, workers)
    except UserError:
        shutil.rmtree(partial)
        raise
    names = [episode["name"] for episode in record["episodes"]]
    write_json(partial / INDEX, {**record, "sha256": [hashes[name] for name in names]})
    for note in (PLAN, DONE):
        (partial / note).unlink(missing_ok=True)
    publish(partial, out)


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
                "ended": meta.ended,
            }
        )
    record = {
        "source": source,
        "game": first.game,
        "licence": first.licence,
        "fps": first.fps,
        "size": list(first.size),
        "controls": first.controls.to_json(),
        "episodes": episodes,
    }
    return json.loads(json.dumps(record))  # as it will be read: lists for tuples


def _go_on(partial: Path, record: dict[str, Any]) -> dict[str, str]:
    """Return name and hash of the episodes that a stopped preparation of the same data has done;
    begin anew when there is none."""
    if (partial / PLAN).exists() and read_json(partial / PLAN) == record:
        return _done(partial, record)
    shutil.rmtree(partial, ignore_errors=True)
    frames, space = record["episodes"][-1]["stop"], record["controls"]
    shape = frames, tuple(record["size"]), len(space["buttons"]) + len(space["axes"])
    check_space(partial, array_bytes(*shape))
    partial.mkdir(parents=True)
    allocate(partial, *shape)
    write_json(partial / PLAN, record)
    return {}


def _done(partial: Path, record: dict[str, Any]) -> dict[str, str]:
    """What the notes say is done and the arrays' rows confirm."""
    rows = {e["name"]: slice(e["start"], e["stop"]) for e in record["episodes"]}
    done = {}
    for line in (partial / DONE).read_text().splitlines() if (partial / DONE).exists() else ():
        try:
            name, digest = json.loads(line)
        except ValueError:
            continue  # the last note, cut off
        if name in rows and hash_rows(partial, rows[name]) == digest:
            done[name] = digest
    return done


def _unpack_all(
    folders: list[Path], record: dict[str, Any], out: Path, done: dict[str, str], workers: int
) -> dict[str, str]:
    """Unpack the episodes that are not done; return the hash of every one, by name."""
    episodes = record["episodes"]
    progress = Progress(f"prepare {folders[0].parent.name}", episodes[-1]["stop"], "frames")
    progress.skip(sum(e["stop"] - e["start"] for e in episodes if e["name"] in done))
    jobs = [
        Unpacking(folder=folder, out=out, start=e["start"], frames=e["stop"] - e["start"])
        for folder, e in zip(folders, episodes, strict=True)
        if e["name"] not in done
    ]
    hashes = dict(done)
    with (out / DONE).open("a", encoding="utf-8") as notes:
        for name, digest, count in _work(jobs, workers):
            hashes[name] = digest
            notes.write(f"\n{json.dumps([name, digest])}\n")
            notes.flush()
            progress.advance(count)
    progress.finish()
    return hashes


def _work(jobs: list[Unpacking], workers: int) -> Iterator[tuple[str, str, int]]:
    if workers == 1 or not jobs:
        return map(unpack, jobs)
    return in_parallel(unpack, jobs, workers)

"""A tokenizer's latents of every prepared frame, encoded once and cached beside the frames."""

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap

from worldmodel.data.atomic import partial_of, sync, write_json
from worldmodel.data.clips import FrameStore
from worldmodel.data.progress import Progress
from worldmodel.data.records import read_json
from worldmodel.data.rows import Rows
from worldmodel.errors import UserError

Encode = Callable[[np.ndarray], np.ndarray]
Produce = Callable[[slice], np.ndarray]


def encode_store(
    folder: str | Path, encode: Encode, key: str, *, batch: int = 64, every: int = 50
) -> np.ndarray | Rows:
    """Return the latents, float16 [n tokens c], of a FrameStore's folder, mapped from
    latents-<key>.npy.

    `encode` turns uint8 [b h w 3] into float32 [b tokens c]; `key` stands for its weights (a
    tokenizer's hash), so that other weights get another file. What is not there yet is encoded,
    `batch` frames at a time; a stopped run goes on where the last note, written every `every`
    batches, was made. Raises UserError when the latents overflow float16.
    """
    store = FrameStore(folder)

    def produce(rows: slice) -> np.ndarray:
        return encode(np.asarray(store.frames[rows]))

    return fill_store(store, produce, key, batch=batch, every=every)


def fill_store(
    store: FrameStore, produce: Produce, key: str, *, batch: int = 64, every: int = 50
) -> np.ndarray | Rows:
    """Like `encode_store`, for latents that depend on more than a frame: `produce` turns a slice of
    rows into float32 [rows tokens c].

    A view shows its sources' latents when all of them have some, and gets its own otherwise.
    """
    path = _path(store, key)
    if not path.exists() and not _shown(store, key):
        _produce_all(store, produce, path, batch, every)
    return load_latents(store.folder, key)


def load_latents(folder: str | Path, key: str) -> np.ndarray | Rows:
    """Map the latents that `encode_store` wrote, float16 [n tokens c]; raise UserError when they
    are missing, damaged or of other frames."""
    store = FrameStore(folder)
    path = _path(store, key)
    if not path.exists() and _shown(store, key):
        return store.rows_of([load_latents(source.folder, key) for source in store.sources])
    try:
        latents = np.load(path, mmap_mode="r")
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({error}); delete it and encode again.") from error
    if len(latents) != len(store) or latents.dtype != np.float16:
        raise UserError(
            f"{path} should hold {len(store)} frames in float16, but holds {len(latents)} in "
            f"{latents.dtype}; delete it and encode again."
        )
    return latents


def _path(store: FrameStore, key: str) -> Path:
    return store.folder / f"latents-{key}.npy"


def _shown(store: FrameStore, key: str) -> bool:
    """Whether a view can show latents that its sources have."""
    return bool(store.sources) and all(_path(source, key).exists() for source in store.sources)


def _produce_all(store: FrameStore, produce: Produce, path: Path, batch: int, every: int) -> None:
    partial, note = partial_of(path), partial_of(path).with_suffix(".json")
    done = _resume(partial, note, store)
    array = open_memmap(partial, "r+") if done else None
    progress = Progress("encode", len(store), "frames")
    progress.skip(done)
    for count, start in enumerate(range(done, len(store), batch), 1):
        latents = _to_float16(produce(slice(start, min(start + batch, len(store)))))
        if array is None:
            array = open_memmap(partial, "w+", np.float16, (len(store), *latents.shape[1:]))
        array[start : start + len(latents)] = latents
        progress.advance(len(latents))
        if count % every == 0:
            array.flush()
            write_json(note, {"source": store.source, "done": start + len(latents)})
    array.flush()
    sync(partial)
    write_json(path.with_suffix(".json"), {"source": store.source, "sha256": hash_array(array)})
    partial.rename(path)
    note.unlink(missing_ok=True)
    progress.finish()


def hash_array(array: np.ndarray, block: int = 4096) -> str:
    """Return the sha256 of an array's bytes, read so many rows at a time."""
    digest = sha256()
    for start in range(0, len(array), block):
        digest.update(np.ascontiguousarray(array[start : start + block]))
    return digest.hexdigest()


def verify_latents(folder: str | Path) -> int:
    """Compare a split's cached latents with their hashes; return how many files have one.

    Raises UserError, naming the file, when one has changed or belongs to other frames.
    """
    store, checked = FrameStore(folder), 0
    for note in sorted(store.folder.glob("latents-*.json")):
        path, record = note.with_suffix(".npy"), read_json(note)
        latents = load_latents(folder, path.stem.removeprefix("latents-"))
        if record != {"source": store.source, "sha256": hash_array(latents)}:
            raise UserError(
                f"{path} has changed since it was written, or is of other frames; delete it and "
                f"{note.name}, and encode again."
            )
        checked += 1
    return checked


def _resume(partial: Path, note: Path, store: FrameStore) -> int:
    """Frames already encoded in the partial file, 0 when it is absent or of other frames."""
    if not (partial.exists() and note.exists()):
        return 0
    record = read_json(note)
    return int(record["done"]) if record.get("source") == store.source else 0


def _to_float16(latents: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):  # told below, in words
        small = np.asarray(latents).astype(np.float16)
    if not np.isfinite(small).all():
        raise UserError(
            "The tokenizer's latents should be finite and below 65504, but are not; "
            "train it again or clamp its latents."
        )
    return small

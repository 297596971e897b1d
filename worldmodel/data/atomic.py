"""Files and folders that appear under their names only when they are whole and on the disk."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PARTIAL = ".partial"


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Give a temporary sibling to fill; afterwards it takes the place of `folder`.

    When the block raises, the sibling is removed and `folder` stays as it was.
    """
    partial = partial_of(folder)
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        publish(partial, folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def partial_of(path: Path) -> Path:
    """Return the temporary sibling of a path; it begins with a dot."""
    return path.with_name(f".{path.name}{PARTIAL}")


def publish(partial: Path, folder: Path) -> None:
    """Write a finished folder to the disk and give it its name, instead of an older one."""
    for path in partial.iterdir():
        sync(path)
    sync(partial)
    if folder.exists():
        old = folder.with_name(f".{folder.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        folder.rename(old)
        partial.rename(folder)
        shutil.rmtree(old)
    else:
        partial.rename(folder)
    sync(folder.parent)


def write_json(path: Path, record: Any) -> None:
    """Write a JSON file that is either old or new, never half."""
    partial = partial_of(path)
    partial.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    sync(partial)
    partial.replace(path)


def remove_partials(folder: Path) -> None:
    """Delete what a killed process left half-made in a folder."""
    for path in folder.glob(f".*{PARTIAL}"):
        shutil.rmtree(path, ignore_errors=True)


def sync(path: Path) -> None:
    """Have the disk hold a file's bytes or a folder's names."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

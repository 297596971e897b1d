"""What a network was trained on, as data.json beside its weights."""

import json
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any

from worldmodel.data.atomic import write_json
from worldmodel.data.clips import FrameStore
from worldmodel.data.records import read_json
from worldmodel.errors import UserError

DATA, CARD = "data.json", "card.md"
Source = dict[str, Any]


def source_of(store: FrameStore) -> Source:
    """Describe a split that a network trains on, as one entry of data.json.

    `episodes` is a sha256 of the sorted names and seeds, `rules` what a view was curated by (None
    for arrays that hold every frame).
    """
    names = sorted(f"{span.name} {span.seed}" for span in store.episodes)
    return {
        "path": str(store.folder),
        "game": store.game,
        "split": store.folder.name,
        "frames": len(store),
        "episodes": sha256(json.dumps(names).encode()).hexdigest(),
        "seeds": sorted({span.seed for span in store.episodes}),
        "rules": store.rules,
    }


def write_sources(folder: Path, sources: Iterable[Source]) -> None:
    """Write data.json into a run or checkpoint folder; equal sources are listed once."""
    folder.mkdir(parents=True, exist_ok=True)
    unique = {json.dumps(source, sort_keys=True): source for source in sources}
    write_json(folder / DATA, {"sources": list(unique.values())})


def describe_checkpoint(folder: Path, title: str, sources: Iterable[Source]) -> None:
    """Write data.json into a checkpoint's folder and, unless there is a card, card.md, which says
    the same in words."""
    sources = list(sources)
    write_sources(folder, sources)
    if not (folder / CARD).exists():
        text = (
            f"# {title}\n\n## Data\nThis world and what it starts from were trained on\n\n"
            f"{describe_sources(read_sources(folder))}\n\n"
            "## What goes wrong\nNot written by training: play it, and say here what you see.\n"
        )
        (folder / CARD).write_text(text, encoding="utf-8")


def read_sources(place: Path) -> list[Source]:
    """Return what data.json in a folder, or beside a file, lists; nothing when there is none.

    Raises UserError when it is damaged.
    """
    path = (place if place.is_dir() else place.parent) / DATA
    if not path.exists():
        return []
    record = read_json(path)
    if not isinstance(record, dict) or not isinstance(record.get("sources"), list):
        raise UserError(f'{path} should be {{"sources": [...]}}; copy it from the run again.')
    return record["sources"]


def describe_sources(sources: Iterable[Source]) -> str:
    """Return lines of Markdown for a card: which data, how much, curated by which rules."""
    lines = []
    for source in sources:
        rules = source["rules"]
        how = f"curated by `{json.dumps(rules)}`" if rules else "every frame"
        lines.append(
            f"- {source['game']}, split {source['split']}: {source['frames']:,} frames of "
            f"{len(source['seeds'])} seeds, {how} (`{source['path']}`)"
        )
    return "\n".join(lines)

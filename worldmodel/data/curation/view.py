"""A view: an index over arrays that stay where they are; FrameStore reads it as it reads arrays."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from worldmodel.data.atomic import whole_folder, write_json
from worldmodel.data.clips import INDEX, FrameStore, Span
from worldmodel.data.records import read_json

LEFT_OUT = "left_out.jsonl"


@dataclass(frozen=True, kw_only=True)
class Piece:
    """Rows first to first + count - 1 of a store, all of one of its episodes."""

    store: int
    span: Span
    first: int
    count: int


@dataclass(frozen=True, kw_only=True)
class Cut:
    """Frames of an episode that were left out, counted from its beginning; `reason` says why."""

    episode: str
    first: int
    count: int
    reason: str


def write_view(
    folder: Path,
    stores: Sequence[FrameStore],
    pieces: Sequence[Piece],
    cuts: Sequence[Cut],
    rules: dict[str, Any],
) -> None:
    """Write a split's view: episodes.json, and left_out.jsonl with a line for each cut."""
    first, spans, stop = stores[0], [], 0
    used = sorted({piece.store for piece in pieces})
    for piece in pieces:
        start, stop = stop, stop + piece.count
        name = f"{piece.span.name}+{piece.first - piece.span.start}"
        ended = piece.span.ended and piece.first + piece.count == piece.span.stop
        own = {"name": name, "start": start, "stop": stop, "ended": ended}
        spans.append({**asdict(piece.span), **own})
    view = {
        "rules": rules,
        "sources": [
            {"folder": str(stores[i].folder.resolve()), "source": stores[i].source} for i in used
        ],
        "pieces": [[used.index(piece.store), piece.first] for piece in pieces],
    }
    record = {
        "source": sha256(json.dumps([view, spans]).encode()).hexdigest(),
        "game": first.game,
        "licence": first.licence,
        "fps": first.fps,
        "size": list(first.size),
        "controls": first.space.to_json(),
        "view": view,
        "left out": count_reasons(cuts),
        "episodes": spans,
    }
    with whole_folder(folder) as partial:
        lines = "".join(json.dumps(asdict(cut)) + "\n" for cut in cuts)
        (partial / LEFT_OUT).write_text(lines, encoding="utf-8")
        write_json(partial / INDEX, record)


def is_view(folder: Path) -> bool:
    """Whether a folder itself, no link to one, is a view."""
    index = folder / INDEX
    return index.is_file() and not folder.is_symlink() and "view" in read_json(index)


def remove_views(out: Path) -> None:
    """Delete the views of an earlier curation; what else is there stays."""
    for folder in out.glob("[!.]*"):
        if is_view(folder):
            shutil.rmtree(folder)


def count_reasons(cuts: Sequence[Cut]) -> dict[str, int]:
    """Return how many frames were left out for each reason."""
    counts: dict[str, int] = {}
    for cut in cuts:
        counts[cut.reason] = counts.get(cut.reason, 0) + cut.count
    return counts

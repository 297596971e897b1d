"""From rules and arrays to views: what stays, what goes and why."""

from collections.abc import Iterable, Iterator
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import numpy as np

from worldmodel.data.clips import INDEX, FrameStore, Span
from worldmodel.data.curation.balance import combination_labels, thin
from worldmodel.data.curation.marks import KEPT, mark_duplicates, mark_short, mark_still
from worldmodel.data.curation.pictures import Looks, find_kinds, look
from worldmodel.data.curation.rules import Rules, Split
from worldmodel.data.curation.view import Cut, Piece, is_view, remove_views, write_view
from worldmodel.data.doctor.keys import runs
from worldmodel.errors import UserError

CHUNK = 48  # frames that balancing takes or leaves together
HELDOUT, TRAIN = "heldout", "train"


def curate(data: str | Path, rules: Rules, out: str | Path) -> dict[str, dict[str, int]]:
    """Write views of the arrays in `data` (a split, or splits) to `out`; arrays are not changed.

    Returns, for each split of `out`, the frames that were kept and left out, by reason. Raises
    UserError when `data` holds no arrays, `out` holds some, or nothing is left.
    """
    data, out = Path(data), Path(out)
    stores = _open_all(data)
    splits = {TRAIN, HELDOUT} if rules.split else {store.folder.name for store in stores}
    _check_out(out, stores, splits)
    looks = _look(stores, rules)
    marks = [_mark(store, seen, rules) for store, seen in zip(stores, looks, strict=True)]
    if rules.balance:
        _balance(stores, marks, looks, rules)
    chosen = list(_by_split(stores, marks, rules.split))
    for split, pieces, _ in chosen:
        if not pieces:
            raise UserError(
                f"The rules leave nothing of the split {split} of {data}; make them milder."
            )
    remove_views(out)
    for split, pieces, cuts in chosen:
        write_view(out / split, stores, pieces, cuts, rules.to_json())
    return {split: _count(pieces, cuts) for split, pieces, cuts in chosen}


def _open_all(data: Path) -> list[FrameStore]:
    indexes = sorted([*data.glob(INDEX), *data.glob(f"[!.]*/{INDEX}")])
    if not indexes:
        raise UserError(f"{data} should hold prepared arrays; run worldmodel prepare first.")
    stores = [FrameStore(path.parent) for path in indexes]
    first = stores[0]
    for store in stores[1:]:
        if (store.size, store.space, store.fps) != (first.size, first.space, first.fps):
            raise UserError(f"{store.folder} and {first.folder} differ in size, rate or controls.")
    return stores


def _check_out(out: Path, stores: list[FrameStore], splits: set[str]) -> None:
    """Nothing but an earlier view may be replaced: recordings have folders of these names, too."""
    if out.resolve() in _places(stores) or (out / "frames.npy").exists():
        raise UserError(f"{out} holds what is chosen from; choose another folder for the view.")
    for folder in (out / split for split in sorted(splits)):
        if folder.is_symlink() or (folder.exists() and not is_view(folder)):
            raise UserError(
                f"{folder} holds other things than a view; choose another folder for the view."
            )


def _places(stores: Iterable[FrameStore]) -> set[Path]:
    """The folders in which stores, and those that they show, lie."""
    return {
        place
        for store in stores
        for place in (store.folder.resolve().parent, *_places(store.sources))
    }


def _look(stores: list[FrameStore], rules: Rules) -> list[Looks | None]:
    """What the rules need to know of the pictures; nothing is read for rules that need none."""
    places = rules.balance is not None and rules.balance.places < 1
    if not places and rules.black is None:
        return [None] * len(stores)
    kinds = find_kinds(stores, rules.balance.kinds) if places else None
    return [look(store, kinds) for store in stores]


def _mark(store: FrameStore, seen: Looks | None, rules: Rules) -> np.ndarray:
    """Why each row goes, object [n]; "" stays."""
    marks = np.full(len(store), KEPT, object)
    if rules.black:
        marks[seen.brightest < rules.black.below] = "black"
    second = max(1, round(store.fps))
    for span in store.episodes:
        rows = slice(span.start, span.stop)
        here, motion = marks[rows], _motion(store, span)
        controls = np.asarray(store.controls[rows])
        if rules.duplicates:
            mark_duplicates(here, motion, controls, rules.duplicates)
        if rules.idle:
            none = (controls == 0).all(1)
            mark_still(here, motion, none, rules.idle, second, "idle")
        if rules.low_motion:
            every = np.ones(len(motion), bool)
            mark_still(here, motion, every, rules.low_motion, second, "low motion")
        mark_short(here, rules.shortest)
    return marks


def _motion(store: FrameStore, span: Span) -> np.ndarray:
    """An episode's motion; its first frame is taken to move as its second does."""
    motion = np.array(store.motion[span.start : span.stop])
    motion[:1] = motion[1:2] if len(motion) > 1 else 0
    return motion


def _balance(
    stores: list[FrameStore], marks: list[np.ndarray], looks: list[Looks | None], rules: Rules
) -> None:
    """Mark chunks of combinations of keys and kinds of pictures that there are too many of."""
    balance = rules.balance
    buttons = [np.asarray(s.controls[:, : len(s.space.buttons)]) > 0.5 for s in stores]
    labels = {"too many of these keys": (combination_labels(np.concatenate(buttons)), balance.keys)}
    if balance.places < 1:
        kinds = np.concatenate([seen.kind for seen in looks])
        labels["too many of these pictures"] = kinds, balance.places
    every = np.concatenate(marks)
    for why, (label, most) in labels.items():
        kept = np.flatnonzero(every == KEPT)
        if most < 1 and len(kept):
            chunks = _chunks(stores, every)[kept]
            _, chunks = np.unique(chunks, return_inverse=True)
            every[kept[thin(label[kept].astype(int), chunks, most)[chunks]]] = why
    parts = np.split(every, np.cumsum([len(store) for store in stores])[:-1])
    for mark, store, part in zip(marks, stores, parts, strict=True):
        for span in store.episodes:
            mark_short(part[span.start : span.stop], rules.shortest)
        mark[:] = part


def _chunks(stores: list[FrameStore], marks: np.ndarray) -> np.ndarray:
    """Number the chunks of what is kept, int [n]: runs of kept frames, cut evenly."""
    numbers, next_number, offset = np.zeros(len(marks), int), 0, 0
    for store in stores:
        for span in store.episodes:
            start = offset + span.start
            for begin, stop in runs(marks[start : offset + span.stop] == KEPT):
                pieces = max(1, round((stop - begin) / CHUNK))
                own = np.arange(stop - begin) * pieces // (stop - begin)
                numbers[start + begin : start + stop] = next_number + own
                next_number += pieces
        offset += len(store)
    return numbers


def _by_split(
    stores: list[FrameStore], marks: list[np.ndarray], rule: Split | None
) -> Iterator[tuple[str, list[Piece], list[Cut]]]:
    """Every split's pieces and cuts."""
    pieces: dict[str, list[Piece]] = {}
    cuts: dict[str, list[Cut]] = {}
    for number, (store, mark) in enumerate(zip(stores, marks, strict=True)):
        for span in store.episodes:
            split = store.folder.name if rule is None else _side(store, span, rule)
            here = mark[span.start : span.stop]
            own, gone = pieces.setdefault(split, []), cuts.setdefault(split, [])
            for first, stop in _even_runs(here):
                count = stop - first
                if here[first] == KEPT:
                    row = span.start + first
                    own.append(Piece(store=number, span=span, first=row, count=count))
                else:
                    episode = f"{store.folder.name}/{span.name}"
                    reason = str(here[first])
                    gone.append(Cut(episode=episode, first=first, count=count, reason=reason))
    yield from ((split, pieces[split], cuts[split]) for split in sorted(pieces))


def _even_runs(marks: np.ndarray) -> list[tuple[int, int]]:
    """Where runs of equal marks begin and stop."""
    edges = [0, *(np.flatnonzero(marks[1:] != marks[:-1]) + 1).tolist(), len(marks)]
    return list(pairwise(edges))


def _side(store: FrameStore, span: Span, rule: Split) -> str:
    """A function of the rule's seed and the episode's seed or name: new data change nothing."""
    own = span.seed if rule.by == "seed" else f"{store.folder.name}/{span.name}"
    digest = sha256(f"{rule.seed} {own}".encode()).digest()
    return HELDOUT if int.from_bytes(digest[:8]) / 2**64 < rule.heldout else TRAIN


def _count(pieces: list[Piece], cuts: list[Cut]) -> dict[str, int]:
    counts = {"kept": sum(piece.count for piece in pieces)}
    for cut in cuts:
        counts[cut.reason] = counts.get(cut.reason, 0) + cut.count
    return counts

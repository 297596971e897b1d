"""Frames at any times, with their keys, to episodes of a constant rate.

An output frame at time t shows the newest record that is not later than t; its keys and axes are
those of all records since the one shown before, so what leads from one shown frame to the next is
always between them, whatever the rates. What comes after the last full step is left out.
"""

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from worldmodel.data.importers.record import Picture, Record

SLACK = 0.25  # of an output frame: how much later a record may come and still be on time


@dataclass(frozen=True, kw_only=True)
class Step:
    """A frame of an episode: the keys and the mouse's counts that produced it. `begins` where it
    is an episode's first (what came before it is not known, so it has no keys)."""

    picture: Picture
    time: float
    keys: tuple[str, ...]
    axes: Mapping[str, float]
    begins: bool
    repeated: bool = False


def resample(
    records: Iterable[Record], *, fps: float, gap: float, shift: int = 0
) -> Iterator[Step]:
    """Yield the frames of all episodes in their order, `fps` a second.

    More than `gap` seconds between two records end an episode. `shift` moves keys and axes by so
    many records: 1 gives a record what the one before it held.
    """
    for episode in _split(records, gap):
        yield from _constant_rate(shifted(episode, shift), fps)


def shifted(records: Iterable[Record], shift: int) -> Iterator[Record]:
    """Yield the pictures with the keys and axes of `shift` records before (after, if negative).

    Where there is none before, keys are empty; what lacks one after is left out.
    """
    nothing = ((), {})
    actions = deque([nothing] * max(shift, 0))
    pictures: deque[Record] = deque()
    for record in records:
        pictures.append(record)
        actions.append((record.keys, record.axes))
        if len(pictures) > max(-shift, 0):
            keys, axes = actions[-1] if shift < 0 else actions.popleft()
            yield replace(pictures.popleft(), keys=keys, axes=axes)


def _split(records: Iterable[Record], gap: float) -> Iterator[Iterator[Record]]:
    """Yield the stretches without a gap; each must be used up before the next."""
    source = iter(records)
    first = next(source, None)
    rest: list[Record] = []

    def stretch(record: Record) -> Iterator[Record]:
        yield record
        last = record.time
        for following in source:
            if following.time - last > gap:
                rest.append(following)
                return
            last = following.time
            yield following

    while first is not None:
        yield stretch(first)
        first = rest.pop() if rest else None


def _constant_rate(records: Iterable[Record], fps: float) -> Iterator[Step]:
    shown: Record | None = None
    since: list[tuple[Record, tuple[str, ...]]] = []  # records not shown yet, with the keys before
    start, count = 0.0, 0
    for record in records:
        if shown is None:
            start = record.time
        while shown is not None and start + (count + SLACK) / fps < record.time:
            yield _step(shown, since, count, start + count / fps)
            since, count = [], count + 1
        since.append((record, shown.keys if shown else ()))
        shown = record
    if shown is not None and shown.time >= start + (count - SLACK) / fps:
        yield _step(shown, since, count, start + count / fps)


def _step(
    shown: Record, since: list[tuple[Record, tuple[str, ...]]], count: int, time: float
) -> Step:
    if count == 0:
        return Step(picture=shown.picture, time=time, keys=(), axes={}, begins=True)
    fresh = {key: None for record, before in since for key in record.keys if key not in before}
    tapped = [key for key in fresh if key not in shown.keys]
    axes: Counter[str] = Counter()
    for record, _ in since:
        for name, value in record.axes.items():
            axes[name] += value
    return Step(
        picture=shown.picture,
        time=time,
        keys=(*tapped, *shown.keys),
        axes=dict(axes),
        begins=False,
        repeated=not since,
    )

"""Which recordings are held out: whole groups, by a hash of their names, so that nothing moves
when recordings are added."""

from collections.abc import Sequence
from hashlib import sha256

from worldmodel.data.importers.record import Recording
from worldmodel.data.plan import SPLITS


def splits_of(recordings: Sequence[Recording], share: float) -> list[str]:
    """Return the split of each recording: about `share` of the groups are held out.

    Where there are two groups or more and `share` is not 0, each split gets at least one. What a
    format itself says comes first.
    """
    train, heldout = SPLITS
    groups = sorted({r.group for r in recordings if r.heldout is None}, key=_rank)
    least = 1 if share > 0 and len(groups) > 1 else 0
    count = min(max(round(share * len(groups)), least), len(groups) - least)
    chosen = set(groups[:count])
    return [
        heldout if (r.group in chosen if r.heldout is None else r.heldout) else train
        for r in recordings
    ]


def seed_of(group: str, split: str) -> int:
    """A number that stands for a group, as a game's seed does: even in training, odd held out."""
    return 2 * (int(_rank(group)[:7], 16)) + SPLITS.index(split)


def _rank(group: str) -> str:
    return sha256(group.encode("utf-8", "surrogateescape")).hexdigest()

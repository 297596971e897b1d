"""Evaluation data must be data that a world was not trained on.

A checkpoint says in data.json what it learned from (`data/provenance.py`). Episodes are the same
when game and seed are, or the hash of the whole split is.
"""

import json
from hashlib import sha256
from pathlib import Path

from worldmodel.data.clips import FrameStore
from worldmodel.data.provenance import DATA, read_sources
from worldmodel.errors import UserError
from worldmodel.play.world import World


def require_unseen(folder: Path, store: FrameStore) -> list[str]:
    """Warnings; raises UserError when `store` holds episodes that the world in `folder` has seen.

    Seeds below 0 stand for "not known" and are not compared.
    """
    path = folder / DATA
    if not path.is_file():
        return [
            f"{path} is missing, so nobody can check that these episodes were not trained on; "
            "train the world again to have it written"
        ]
    mine = {episode.seed for episode in store.episodes if episode.seed >= 0}
    for source in read_sources(folder):
        same = store.game == source.get("game") and mine & set(source.get("seeds") or ())
        if same or _hash(store) == source.get("episodes"):
            count = f"{len(same)} of {len(store.episodes)} episodes" if same else "all episodes"
            raise UserError(
                f"{folder} was trained on {count} in {store.folder} (source "
                f"{source.get('path', 'unnamed')}); evaluate on episodes of other seeds"
            )
    return []


def _hash(store: FrameStore) -> str:
    """What data.json calls a split's `episodes`: a hash of their names and seeds."""
    names = sorted(f"{span.name} {span.seed}" for span in store.episodes)
    return sha256(json.dumps(names).encode()).hexdigest()


def require_split(data: Path, store: FrameStore) -> None:
    """Raises UserError when a training split beside `store` has an episode of the same seed."""
    beside = data / "train" / "episodes.json"
    if not beside.is_file():
        return
    train = {episode.seed for episode in FrameStore(beside.parent).episodes if episode.seed >= 0}
    shared = train & {episode.seed for episode in store.episodes}
    if shared:
        raise UserError(
            f"{store.folder} shares {len(shared)} seeds with {beside.parent} (such as "
            f"{min(shared)}); split the episodes by seed and prepare again"
        )


def require_fitting(world: World, store: FrameStore) -> None:
    """Raises UserError when the data have other controls or another size than the world."""
    size = world.config.tokenizer.height, world.config.tokenizer.width
    own = world.config.controls
    if (store.space.buttons, store.space.axes, store.size) != (own.buttons, own.axes, size):
        raise UserError(
            f"{store.folder} has other controls or another size than the world {world.name}; judge "
            "it on data of the same game"
        )

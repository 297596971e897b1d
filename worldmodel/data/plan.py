"""Which episodes a collection consists of: episode i of a split is a function of (seed, i)."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from worldmodel.data.atomic import write_json
from worldmodel.data.meta import load_meta
from worldmodel.data.records import read_json
from worldmodel.errors import UserError
from worldmodel.games.catalogue import cast_of

SPLITS = ("train", "heldout")


@dataclass(frozen=True, kw_only=True)
class Collection:
    """What decides every episode; `size` is (height, width), lengths are in frames. Episode i is
    played by players[i % len(players)]."""

    game: str
    size: tuple[int, int]
    seed: int
    shortest: int
    longest: int
    players: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Job:
    """One episode to record: at most `frames` frames, fewer when the game ends."""

    folder: Path
    player: str
    frames: int
    game_seed: int
    player_seed: int


def job(out: Path, collection: Collection, split: str, index: int) -> Job:
    """Return the plan of episode `index` of a split.

    Game seeds of training episodes are even and those of held-out episodes odd, so that no seed
    is ever in both.
    """
    random = np.random.default_rng([collection.seed, SPLITS.index(split), index])
    return Job(
        folder=out / split / f"{index:06d}",
        player=collection.players[index % len(collection.players)],
        frames=int(random.integers(collection.shortest, collection.longest + 1)),
        game_seed=2 * int(random.integers(2**30)) + SPLITS.index(split),
        player_seed=int(random.integers(2**31)),
    )


def missing(out: Path, collection: Collection, split: str, frames: int) -> list[Job]:
    """Return the episodes yet to be recorded before the first ones reach so many frames.

    An episode that is not there counts with its planned length, so the list never holds one that
    will turn out not to be needed; when games end early, ask again after recording.
    """
    jobs, total, index = [], 0, 0
    while total < frames:
        plan = job(out, collection, split, index)
        if plan.folder.exists():
            total += load_meta(plan.folder)[1]
        else:
            jobs.append(plan)
            total += plan.frames
        index += 1
    return jobs


def claim(out: Path, collection: Collection) -> None:
    """Note the collection's settings in its folder; raise UserError when it holds episodes of
    another one."""
    path = out / "collection.json"
    wanted = json.loads(json.dumps(asdict(collection)))
    started = any(any((out / split).glob("[!.]*")) for split in SPLITS)
    if not path.exists() or not started:
        out.mkdir(parents=True, exist_ok=True)
        write_json(path, wanted)
        return
    found: dict[str, Any] = {"players": list(cast_of(collection.game)), **read_json(path)}
    for name, value in wanted.items():
        if found.get(name) != value:
            raise UserError(
                f"{out} holds a collection with {name} {found.get(name)!r}, but {value!r} was "
                f"asked for; use the same {name} or another folder."
            )

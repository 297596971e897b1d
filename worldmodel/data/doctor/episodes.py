"""Which episodes there are: damaged ones, seeds on both sides of a split, recordings kept twice."""

from collections import Counter
from hashlib import sha256

import numpy as np

from worldmodel.data.doctor.collection import Collection, Part
from worldmodel.data.doctor.dead_keys import listed
from worldmodel.data.doctor.finding import Finding, Verdict
from worldmodel.data.doctor.sample import Sample
from worldmodel.errors import UserError

SAME = 2.0  # grey levels by which two copies of a picture may differ, in the mean


def examine_episodes(collection: Collection, sample: Sample) -> Finding:
    """Count episodes, and name what may not be."""
    parts = collection.parts
    frames = sum(part.frames for part in parts)
    players = Counter()
    for part in parts:
        players[part.player] += part.frames
    shared, twice = _shared_seeds(collection), _twice(collection, sample)
    figures = {
        "kind": collection.kind,
        "game": collection.game,
        "size": list(collection.size),
        "fps": collection.fps,
        "episodes": dict(Counter(part.split for part in parts)),
        "frames": frames,
        "hours": frames / collection.fps / 3600,
        "frames of an episode": np.percentile([p.frames for p in parts], [0, 50, 100]).tolist(),
        "players": {player: count / frames for player, count in players.most_common()},
        "unlabelled": sum(not part.labelled for part in parts),
        "damaged": list(sample.damaged),
        "seeds in two splits": shared,
        "recorded twice": twice,
    }
    problems = []
    if sample.damaged:
        problems.append(
            f"{len(sample.damaged)} episodes are damaged, the first: {sample.damaged[0]}"
        )
    if shared:
        problems.append(f"{len(shared)} seeds are in two splits, as {shared[0]}")
    if twice:
        problems.append(f"episodes that are there twice: {listed(twice)}")
    said = f"{len(parts)} episodes, {frames:,} frames, {figures['hours']:.1f} hours"
    sentence = f"{said}. {'; '.join(problems).capitalize()}." if problems else f"{said}."
    verdict = Verdict.WRONG if problems else Verdict.OK
    return Finding(name="episodes", verdict=verdict, sentence=sentence, figures=figures)


def _shared_seeds(collection: Collection) -> list[int]:
    """Seeds in more than one split, where seeds mean something."""
    if len({part.seed for part in collection.parts}) < 2:
        return []
    splits: dict[int, set[str]] = {}
    for part in collection.parts:
        splits.setdefault(part.seed, set()).add(part.split)
    return sorted(seed for seed, found in splits.items() if len(found) > 1)


def _twice(collection: Collection, sample: Sample) -> list[str]:
    """Episodes with the same actions and pictures, beginning to end, as an earlier one."""
    seen: dict[bytes, list[Part]] = {}
    found = []
    for place, controls in sorted(sample.controls.items()):
        if len(np.unique(controls, axis=0)) < 2:
            continue
        part, alike = collection.parts[place], seen.setdefault(_digest(controls), [])
        if (first := next((p for p in alike if _same(collection, part, p)), None)) is None:
            alike.append(part)
        else:
            found.append(f"{part} and {first}")
    return found


def _digest(controls: np.ndarray) -> bytes:
    return sha256(controls.tobytes()).digest()


def _same(collection: Collection, part: Part, other: Part) -> bool:
    """Whether two episodes of the same length show the same where they begin, halfway and where
    they end; one may have been encoded again."""
    for row in (0, part.frames // 2, part.frames - 1):
        try:
            a, b = (collection.frames(p, row, 1)[0].astype(np.float32) for p in (part, other))
        except UserError:
            return False  # the finding about damage names it
        if np.abs(a - b).mean() > SAME:
            return False
    return True

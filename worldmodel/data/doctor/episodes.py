"""Which episodes there are: damaged ones, seeds on both sides of a split, recordings kept twice."""

from collections import Counter
from hashlib import sha256

import numpy as np

from worldmodel.data.doctor.collection import Collection
from worldmodel.data.doctor.dead_keys import listed
from worldmodel.data.doctor.finding import Finding, Verdict
from worldmodel.data.doctor.sample import Sample


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
    """Episodes with the same actions, beginning to end, as an earlier one."""
    seen: dict[bytes, str] = {}
    found = []
    for place, controls in sorted(sample.controls.items()):
        if len(np.unique(controls, axis=0)) < 2:
            continue
        key = sha256(controls.tobytes()).digest()
        part = str(collection.parts[place])
        if key in seen:
            found.append(f"{part} and {seen[key]}")
        seen.setdefault(key, part)
    return found

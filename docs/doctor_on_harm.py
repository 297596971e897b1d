"""What the doctor says of good arrays after they have been harmed in memory, one harm a line.

python docs/doctor_on_harm.py data/doom/arrays
"""

import dataclasses
import sys
from collections.abc import Callable

import numpy as np

from worldmodel.data.doctor.collection import Collection, open_collection
from worldmodel.data.doctor.examine import findings
from worldmodel.data.doctor.sample import Sample, Stretch, take_sample

Harm = Callable[[Stretch, float], Stretch]


def controls_by(change: Callable[[np.ndarray, Stretch, float], np.ndarray]) -> Harm:
    """A harm to the controls of a stretch, which lies at a share of the data set."""
    return lambda s, at: dataclasses.replace(s, controls=change(s.controls.copy(), s, at))


def shifted(by: int) -> Harm:
    return controls_by(lambda u, s, at: np.roll(u, by, axis=0))


def swapped(a: int, b: int) -> Harm:
    """Two controls are swapped in the second half of the data."""
    order = [b if i == a else a if i == b else i for i in range(99)]
    return controls_by(lambda u, s, at: u[:, order[: u.shape[1]]] if at > 0.5 else u)


def dead(button: int, stretches: tuple[Stretch, ...]) -> Harm:
    """A key that is pressed as it was elsewhere, so that the picture cannot answer to it."""
    random = np.random.default_rng(0)

    def change(controls: np.ndarray, stretch: Stretch, at: float) -> np.ndarray:
        other = stretches[random.integers(len(stretches))].controls[:, button]
        controls[:, button] = np.resize(other, len(controls))
        return controls

    return controls_by(change)


def blackened(stretch: Stretch, at: float) -> Stretch:
    """The first twentieth of each stretch is black."""
    colours = stretch.colours.copy()
    colours[: round(len(colours) / 20)] = 0
    return dataclasses.replace(stretch, colours=colours)


def harmed(sample: Sample, harm: Harm) -> Sample:
    total, seen, out = sample.frames, 0, []
    for stretch in sample.stretches:
        out.append(harm(stretch, seen / total))
        seen += len(stretch)
    return dataclasses.replace(sample, stretches=tuple(out))


def report(name: str, collection: Collection, sample: Sample) -> None:
    wrong = [one for one in findings(collection, sample) if one.verdict in ("wrong", "cannot tell")]
    print(f"{name}: " + ("nothing" if not wrong else ""))
    for one in wrong:
        print(f"  {one.verdict}, {one.name}: {one.sentence}", flush=True)


def main() -> None:
    collection = open_collection(sys.argv[1])
    sample = take_sample(collection, frames=20_000, seconds=300)
    names, stretches = collection.space.buttons, sample.stretches
    print(f"{sample.frames} frames of {collection.folder}")
    report("as it is", collection, sample)
    harms = {"actions 1 frame late": shifted(1), "actions 1 frame early": shifted(-1)}
    harms |= {f"{n} dead": dead(i, stretches) for i, n in enumerate(names)}
    harms |= {
        f"{names[i]} and {names[i + 1]} swapped halfway": swapped(i, i + 1)
        for i in range(0, len(names) - 1, 2)
    }
    harms["5 % black frames"] = blackened
    for name, harm in harms.items():
        report(name, collection, harmed(sample, harm))


if __name__ == "__main__":
    main()

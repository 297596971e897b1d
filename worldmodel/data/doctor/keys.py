"""How often each key and combination is held, and for how long."""

from collections import Counter
from typing import Any

import numpy as np

from worldmodel.data.doctor.collection import Part
from worldmodel.data.doctor.dead_keys import listed
from worldmodel.data.doctor.finding import Finding, Verdict
from worldmodel.data.doctor.sample import Sample
from worldmodel.games.base import ControlSpace

SHOWN = 16  # combinations
MUCH = 0.95  # of an episode: a key held so long is stuck, or the recorder missed its release
LONG = 100  # frames of an episode that a stuck key is looked for in


def examine_keys(sample: Sample, space: ControlSpace, parts: dict[int, Part]) -> Finding:
    """Count holds over whole episodes; find values that no key can have."""
    name = "keys"
    if not sample.controls:
        sentence = "The actions are not known."
        return Finding(name=name, verdict=Verdict.NOTE, sentence=sentence)
    wrong = _impossible(sample, space, parts)
    controls = np.concatenate(list(sample.controls.values()))
    buttons = controls[:, : len(space.buttons)] > 0.5
    holds = [_holds(sample.controls, i) for i in range(len(space.buttons))]
    figures: dict[str, Any] = {
        "frames": len(controls),
        "none": float((~buttons.any(1)).mean()) if buttons.size else 1.0,
        "buttons": {
            button: {
                "share": float(buttons[:, i].mean()),
                "presses": len(holds[i]),
                "median hold": float(np.median(holds[i])) if len(holds[i]) else 0.0,
                "longest hold": int(max(holds[i], default=0)),
                "hold histogram": _histogram(holds[i]),
            }
            for i, button in enumerate(space.buttons)
        },
        "axes": {
            axis: _axis(controls[:, i]) for i, axis in enumerate(space.axes, len(space.buttons))
        },
        "combinations": _combinations(buttons, space.buttons),
        "wrong": wrong,
    }
    if wrong:
        sentence = f"Controls that cannot be: {listed(wrong)}."
        return Finding(name=name, verdict=Verdict.WRONG, sentence=sentence, figures=figures)
    unused = [b for b, values in figures["buttons"].items() if not values["presses"]]
    sentence = f"No key is held in {figures['none']:.0%} of the frames"
    sentence += f"; never pressed: {listed(unused)}." if unused else "."
    verdict = Verdict.NOTE if unused else Verdict.OK
    return Finding(name=name, verdict=verdict, sentence=sentence, figures=figures)


def _impossible(sample: Sample, space: ControlSpace, parts: dict[int, Part]) -> list[str]:
    said = []
    for place, controls in sample.controls.items():
        buttons = controls[:, : len(space.buttons)]
        if not np.isfinite(controls).all():
            said.append(f"{parts[place]} has values that are not finite")
        elif not np.isin(buttons, (0, 1)).all():
            said.append(f"{parts[place]} has buttons that are neither 0 nor 1")
        for a, b in space.opposites:
            both = buttons[:, space.buttons.index(a)] * buttons[:, space.buttons.index(b)]
            if both.any():
                said.append(f"{parts[place]} holds {a} and {b} at once")
        stuck = (buttons > 0.5).mean(0) > MUCH
        if len(controls) >= LONG and stuck.any():
            held = [name for name, is_stuck in zip(space.buttons, stuck, strict=True) if is_stuck]
            said.append(f"{parts[place]} holds {listed(held)} nearly always")
    return said


def _holds(controls: dict[int, np.ndarray], button: int) -> np.ndarray:
    """Length in frames of every time that a button was held."""
    lengths = [runs(values[:, button] > 0.5) for values in controls.values()]
    return np.concatenate([run[:, 1] - run[:, 0] for run in lengths])


def runs(flags: np.ndarray) -> np.ndarray:
    """Return where stretches of true flags [t] begin and stop, int [n 2]."""
    edges = np.diff(np.concatenate([[0], flags.astype(np.int8), [0]]))
    return np.stack([np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)], axis=1)


def _histogram(holds: np.ndarray) -> dict[str, int]:
    """Holds of 1, 2, 3 to 4, 5 to 8 ... frames."""
    bins = np.ceil(np.log2(np.maximum(holds, 1))).astype(int)
    return {str(2**b): int((bins == b).sum()) for b in range(max(bins, default=0) + 1)}


def _axis(values: np.ndarray) -> dict[str, float]:
    return {
        "share moving": float((values != 0).mean()),
        "deviation": float(np.nanstd(values)),
        "largest": float(np.nanmax(np.abs(values))),
    }


def _combinations(buttons: np.ndarray, names: tuple[str, ...]) -> dict[str, float]:
    held = Counter(map(bytes, buttons))
    return {
        " + ".join(n for n, down in zip(names, combination, strict=True) if down) or "none": count
        / len(buttons)
        for combination, count in held.most_common(SHOWN)
    }

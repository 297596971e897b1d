"""How many different pictures there are, and which come back: near-duplicates, menus."""

import numpy as np

from worldmodel.data.doctor.brightness import is_black
from worldmodel.data.doctor.finding import Finding, Verdict
from worldmodel.data.doctor.sample import Sample, Stretch
from worldmodel.data.doctor.stillness import shown_frame, still_runs

LOOKED_AT = 1500  # pictures that are compared with each other
NEAR = 4.0  # root mean square difference, in grey levels, of near-duplicates
ALIKE = 16.0  # of pictures of one place
APART = 10.0  # seconds between pictures of one episode that count as another visit
MENU = 4  # times that a still picture comes back in other places
MENU_FRAMES = 0.005
MENU_WRONG = 0.05


def examine_coverage(sample: Sample, fps: float) -> Finding:
    """Compare pictures from all over the data set with each other."""
    chosen = _spread(sample)
    pictures = _flat([s.colours[i] for s, i in chosen])
    place = np.array([s.part.place for s, _ in chosen])
    when = np.array([(s.start + i) / fps for s, i in chosen])
    other = (place[:, None] != place) | (np.abs(when[:, None] - when) > APART)
    nearest = np.where(other, distances(pictures, pictures), np.inf).min(1)
    distinct, fresh = _cover(pictures)
    figures = {
        "pictures compared": len(chosen),
        "near-duplicates": float((nearest < NEAR).mean()),
        "distinct pictures": distinct,
        "new in the last half": fresh,
        "nearest other picture": np.percentile(
            nearest[np.isfinite(nearest)] if np.isfinite(nearest).any() else [0.0], [10, 50, 90]
        ).tolist(),
    }
    sentence = (
        f"Of {len(chosen)} pictures {distinct} are distinct; {fresh:.0%} of the second half shows "
        f"what the first half does not, {figures['near-duplicates']:.1%} are near-duplicates of "
        f"another time."
    )
    verdict = Verdict.NOTE if figures["near-duplicates"] > 0.3 else Verdict.OK
    return Finding(name="coverage", verdict=verdict, sentence=sentence, figures=figures)


def examine_menus(sample: Sample, fps: float) -> Finding:
    """Find still pictures that come back elsewhere: menus, pauses, loading and end screens."""
    least = max(3, round(fps / 2))
    still = [
        (s, a, b)
        for s, a, b in still_runs(sample)
        if b - a >= least and not is_black(s.colours[a : a + 1])[0]
    ]
    back = _returning(still)
    share = sum(b - a for _, a, b in back) / sample.frames
    figures = {
        "share": share,
        "where": [f"{s.part} frames {s.start + a} to {s.start + b - 1}" for s, a, b in back[:20]],
    }
    sentence = f"Still pictures that keep coming back, as menus do: {share:.1%} of the frames."
    verdict = Verdict.NOTE if share > MENU_FRAMES else Verdict.OK
    verdict = Verdict.WRONG if share > MENU_WRONG else verdict
    shown = tuple(shown_frame(s, (a + b) // 2) for s, a, b in back[:8])
    return Finding(name="menus", verdict=verdict, sentence=sentence, figures=figures, shown=shown)


def _returning(still: list[tuple[Stretch, int, int]]) -> list[tuple[Stretch, int, int]]:
    """Those still stretches whose picture is also that of several others."""
    if len(still) <= MENU:
        return []
    apart = distances(*[_flat([s.colours[(a + b) // 2] for s, a, b in still])] * 2)
    times = (apart < NEAR).sum(1) - 1
    return [one for one, count in zip(still, times, strict=True) if count >= MENU]


def _spread(sample: Sample) -> list[tuple[Stretch, int]]:
    """Frames spread evenly over the sample."""
    every = max(1, sample.frames // LOOKED_AT)
    return [(s, i) for s in sample.stretches for i in range(every // 2, len(s), every)]


def _flat(pictures: list[np.ndarray]) -> np.ndarray:
    return np.stack(pictures).reshape(len(pictures), -1).astype(np.float32)


def distances(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Root mean square differences [n m] of flat pictures [n p] and [m p]."""
    squares = (one**2).sum(1)[:, None] + (other**2).sum(1) - 2 * one @ other.T
    return np.sqrt(np.maximum(squares, 0) / one.shape[1])


def _cover(pictures: np.ndarray) -> tuple[int, float]:
    """How many pictures are unlike all before them; their share among the second half."""
    kept: list[int] = []
    new = np.zeros(len(pictures), bool)
    apart = distances(pictures, pictures)
    order = np.random.default_rng(0).permutation(len(pictures))
    for index in order:
        if not kept or apart[index, kept].min() > ALIKE:
            kept.append(index)
            new[index] = True
    return len(kept), float(new[order[len(order) // 2 :]].mean())

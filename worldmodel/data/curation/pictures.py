"""One pass over the pictures: how bright each is at most, and of which kind."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from worldmodel.data.clips import FrameStore
from worldmodel.data.doctor.flow import shrink
from worldmodel.data.progress import Progress

GRID = (8, 8)  # cells of the pictures that are compared
FINER = (24, 32)  # cells in which black is looked for, at most
BLOCK = 256  # frames
STARTS = 2000  # frames from which kinds are made
ROUNDS = 20


@dataclass(frozen=True, kw_only=True)
class Looks:
    """Of each row: the value of its brightest cell, uint8 [n], and its kind, int16 [n]."""

    brightest: np.ndarray
    kind: np.ndarray


def look(store: FrameStore, kinds: np.ndarray | None) -> Looks:
    """Read every frame of a store once; `kinds` [m p] are the pictures that others are likened to,
    None makes everything of kind 0."""
    brightest, kind = np.zeros(len(store), np.uint8), np.zeros(len(store), np.int16)
    progress = Progress(f"look at {store.folder.name}", len(store), "frames")
    for rows, frames in _blocks(store):
        grid = tuple(min(a, b) for a, b in zip(FINER, store.size, strict=True))
        small = shrink(frames, grid)
        brightest[rows] = small.reshape(len(small), -1).max(1)
        if kinds is not None:
            kind[rows] = nearest(features(small), kinds)
        progress.advance(len(frames))
    return Looks(brightest=brightest, kind=kind)


def _blocks(store: FrameStore) -> Iterator[tuple[slice, np.ndarray]]:
    for start in range(0, len(store), BLOCK):
        rows = slice(start, min(start + BLOCK, len(store)))
        yield rows, np.asarray(store.frames[rows])


def features(small: np.ndarray) -> np.ndarray:
    """Flat colours of coarse pictures, float32 [t p], of small ones [t h w 3]."""
    grid = tuple(min(a, b) for a, b in zip(GRID, small.shape[1:3], strict=True))
    return shrink(small, grid).reshape(len(small), -1)


def find_kinds(stores: list[FrameStore], count: int, seed: int = 0) -> np.ndarray:
    """Return the means [count p] of so many kinds of picture: Lloyd's k-means on frames spread over
    all stores."""
    total = sum(map(len, stores))
    samples = []
    for store in stores:
        share = max(1, STARTS * len(store) // total)
        rows = np.linspace(0, len(store) - 1, min(share, len(store))).astype(int)
        grid = tuple(min(a, b) for a, b in zip(FINER, store.size, strict=True))
        samples.append(features(shrink(np.asarray(store.frames[rows]), grid)))
    points = np.concatenate(samples)
    return _means(points, min(count, len(points)), np.random.default_rng(seed))


def _means(points: np.ndarray, count: int, random: np.random.Generator) -> np.ndarray:
    means = points[random.choice(len(points), count, replace=False)]
    for _ in range(ROUNDS):
        label = nearest(points, means)
        means = np.stack(
            [points[label == i].mean(0) if (label == i).any() else means[i] for i in range(count)]
        )
    return means


def nearest(points: np.ndarray, means: np.ndarray) -> np.ndarray:
    """The index [t] of the nearest mean [m p] to each point [t p]."""
    return ((means**2).sum(1) - 2 * points @ means.T).argmin(1)

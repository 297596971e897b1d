"""Thinning out what there is too much of, in chunks, so that what stays is still a sequence."""

import numpy as np

HALF = 0.5  # of a chunk's frames that must be too frequent, for it to go


def thin(labels: np.ndarray, chunks: np.ndarray, most: float, seed: int = 0) -> np.ndarray:
    """Return which chunks go, bool [chunks].

    `labels` int [n] says what each frame is, `chunks` int [n] in which chunk it lies. Chunks are
    taken, in random order, from labels whose share is above `most` until none is, or no chunk is
    left of which at least half has such a label. No label is brought below an even share.
    """
    count = int(chunks.max()) + 1 if len(chunks) else 0
    table = np.zeros((count, int(labels.max(initial=0)) + 1), int)
    np.add.at(table, (chunks, labels), 1)
    gone, left = np.zeros(count, bool), table.sum(0)
    order = np.random.default_rng(seed).permutation(count)
    sizes, most = table.sum(1), max(most, 1 / max(np.count_nonzero(left), 1))
    changed = True
    while changed:
        changed = False
        for chunk in order[~gone[order]]:
            over = left > most * left.sum()
            if table[chunk, over].sum() >= max(HALF * sizes[chunk], 1):
                gone[chunk], changed = True, True
                left = left - table[chunk]
            if not over.any():
                return gone
    return gone


def combination_labels(buttons: np.ndarray) -> np.ndarray:
    """Number the combinations of buttons, bool [n k]: int [n]."""
    _, labels = np.unique(buttons, axis=0, return_inverse=True)
    return labels.reshape(-1)

"""Thinning out what there is too much of, in chunks, so that what stays is still a sequence."""

import numpy as np


def thin(labels: np.ndarray, chunks: np.ndarray, most: float, seed: int = 0) -> np.ndarray:
    """Return which chunks go, bool [chunks].

    `labels` int [n] says what each frame is, `chunks` int [n] in which chunk it lies. Chunks are
    taken as long as that brings the shares above `most` closer to it, those first that hold most of
    such labels. No label is brought below an even share.
    """
    count = int(chunks.max()) + 1 if len(chunks) else 0
    table = np.zeros((count, int(labels.max(initial=0)) + 1), int)
    np.add.at(table, (chunks, labels), 1)
    gone, left = np.zeros(count, bool), table.sum(0)
    most = max(most, 1 / max(np.count_nonzero(left), 1))
    order, changed = np.random.default_rng(seed).permutation(count), True
    while changed and _excess(left, most) > 0:
        changed, over = False, left > most * left.sum()
        purity = table[order][:, over].sum(1) / np.maximum(table[order].sum(1), 1)
        for chunk in order[np.argsort(-purity, kind="stable")]:
            smaller = left - table[chunk]
            if not gone[chunk] and _excess(smaller, most) < _excess(left, most):
                gone[chunk], left, changed = True, smaller, True
            if ((left > most * left.sum()) != over).any():
                break
    return gone


def _excess(left: np.ndarray, most: float) -> float:
    """By how much the shares of labels, counted int [labels], are above `most` together."""
    return float(np.maximum(left / max(left.sum(), 1) - most, 0).sum()) if left.any() else np.inf


def combination_labels(buttons: np.ndarray) -> np.ndarray:
    """Number the combinations of buttons, bool [n k]: int [n]."""
    _, labels = np.unique(buttons, axis=0, return_inverse=True)
    return labels.reshape(-1)

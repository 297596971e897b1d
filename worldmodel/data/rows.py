"""Rows of several mapped arrays, read as if they were one array."""

from collections.abc import Sequence
from typing import Any

import numpy as np


class Rows:
    """Pieces of arrays [n ...] one after another, read-only; nothing is copied until it is read.

    Piece i is arrays[of[i]][first[i] : first[i] + count[i]]. Indexing by an integer, a slice or
    an integer array gives a numpy array; a slice with step 1 inside one piece maps, as the array
    itself does. Raises IndexError for a row that is not there.
    """

    def __init__(
        self, arrays: Sequence[np.ndarray], of: np.ndarray, first: np.ndarray, count: np.ndarray
    ) -> None:
        self._arrays, self._of, self._first = arrays, of, first
        self._starts = np.concatenate([[0], np.cumsum(count)])  # pieces + 1
        self.shape = (int(self._starts[-1]), *arrays[0].shape[1:])
        self.dtype, self.ndim = arrays[0].dtype, arrays[0].ndim

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> np.ndarray:
        if isinstance(index, tuple):
            return self[index[0]][(slice(None), *index[1:])]
        if isinstance(index, slice):
            return self._slice(*index.indices(len(self)))
        at = np.asarray(index)
        if at.dtype == bool:
            at = np.flatnonzero(at)
        if at.size and not -len(self) <= at.min() <= at.max() < len(self):
            raise IndexError(f"row {index} of {len(self)}")
        return self._take(at % max(len(self), 1))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[:], dtype)

    def _slice(self, start: int, stop: int, step: int) -> np.ndarray:
        piece = int(np.searchsorted(self._starts, start, "right")) - 1
        if step == 1 and start < stop <= self._starts[min(piece + 1, len(self._of))]:
            base = int(self._first[piece] + start - self._starts[piece])
            return self._arrays[self._of[piece]][base : base + stop - start]
        return self._take(np.arange(start, stop, step))

    def _take(self, at: np.ndarray) -> np.ndarray:
        out = np.empty((*at.shape, *self.shape[1:]), self.dtype)
        piece = np.searchsorted(self._starts, at, "right") - 1
        rows = self._first[piece] + at - self._starts[piece]
        for number, array in enumerate(self._arrays):
            here = self._of[piece] == number
            out[here] = array[rows[here]]
        return out

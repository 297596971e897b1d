"""Pieces of arrays read as one array, as numpy would read their concatenation."""

import numpy as np
import pytest

from worldmodel.data.rows import Rows

ARRAYS = [np.arange(40).reshape(20, 2), 100 + np.arange(20).reshape(10, 2)]
OF, FIRST, COUNT = np.array([0, 1, 0]), np.array([5, 2, 0]), np.array([4, 6, 3])
ROWS = Rows(ARRAYS, OF, FIRST, COUNT)
WHOLE = np.concatenate([ARRAYS[0][5:9], ARRAYS[1][2:8], ARRAYS[0][:3]])


@pytest.mark.parametrize(
    "index",
    [0, -1, 12, slice(None), slice(1, 3), slice(3, 7), slice(4, 4), slice(None, None, 3),
     [5, 1, 12], np.array([[0, 4], [9, 9]]), WHOLE[:, 0] > 100, (slice(2, 9), 1)],
    ids=str,
)  # fmt: skip
def test_every_way_to_index(index):
    np.testing.assert_array_equal(ROWS[index], WHOLE[index])


def test_it_looks_like_an_array():
    assert (len(ROWS), ROWS.shape, ROWS.dtype, ROWS.ndim) == (13, (13, 2), WHOLE.dtype, 2)
    np.testing.assert_array_equal(np.asarray(ROWS), WHOLE)


def test_a_slice_inside_a_piece_copies_nothing():
    assert np.shares_memory(ROWS[4:10], ARRAYS[1]) and not np.shares_memory(ROWS[3:5], ARRAYS[0])


@pytest.mark.parametrize("index", [13, -14, [0, 13]])
def test_rows_that_are_not_there(index):
    with pytest.raises(IndexError):
        ROWS[index]

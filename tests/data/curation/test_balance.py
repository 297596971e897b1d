"""Thinning brings shares down, in whole chunks, and stops there."""

import numpy as np

from worldmodel.data.curation.balance import combination_labels, thin


def test_a_frequent_label_is_thinned_to_its_share():
    labels = np.repeat([0] * 80 + [1] * 10 + [2] * 10, 10)
    chunks = np.repeat(np.arange(100), 10)
    gone = thin(labels, chunks, 0.5)
    kept = labels[~gone[chunks]]
    assert not gone[80:].any()
    assert 0.45 < (kept == 0).mean() <= 0.5


def test_nothing_goes_when_all_is_well():
    assert not thin(np.repeat([0, 1, 2], 10), np.repeat(np.arange(6), 5), 0.4).any()


def test_no_label_is_brought_below_an_even_share():
    labels, chunks = np.repeat([0, 1], 50), np.repeat(np.arange(20), 5)
    assert not thin(labels, chunks, 0.1).any()


def test_combinations_are_numbered():
    buttons = np.array([[0, 1], [1, 1], [0, 1], [0, 0]], bool)
    labels = combination_labels(buttons)
    assert labels[0] == labels[2] and len(set(labels.tolist())) == 3

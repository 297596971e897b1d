"""A small prepared recording of the painter's game."""

import pytest
from painter import some_controls, write

from worldmodel.data.prepare import prepare


@pytest.fixture(scope="session")
def arrays(tmp_path_factory):
    """Two training episodes of 48 frames and two held-out ones, prepared."""
    folder = tmp_path_factory.mktemp("recording")
    for index, split in enumerate(("train", "train", "heldout", "heldout")):
        write(folder / split / f"{index:06d}", some_controls(48, seed=index), seed=index)
    return prepare(folder, workers=1)

"""One clean set of the panorama world, and what changes it."""

import copy

import pytest
from panorama import recordings, write_arrays

from worldmodel.data.doctor.examine import examine


@pytest.fixture(scope="session")
def clean():
    return recordings()


@pytest.fixture
def examined(clean, tmp_path):
    """Examine the clean episodes after a change; returns findings by name."""

    def run(change=None, episodes=None):
        chosen = copy.deepcopy(clean if episodes is None else episodes)
        if change:
            chosen = change(chosen) or chosen
        write_arrays(tmp_path / "train", chosen)
        return {one.name: one for one in examine(tmp_path).findings}

    return run

"""The smallest worlds that can be played: random weights, two scenes, six keys."""

import pytest
from playing import save_world

from worldmodel.play.engine import Engine, load_engine


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """A checkpoint whose scenes are one longer and one shorter than the window."""
    return save_world(tmp_path_factory.mktemp("worlds") / "tiny")


@pytest.fixture(scope="session")
def moving_folder(tmp_path_factory):
    """The same with a motion network."""
    return save_world(tmp_path_factory.mktemp("worlds") / "moving", moving=True)


@pytest.fixture(scope="session")
def loaded(folder) -> Engine:
    return load_engine(folder, speed="plain")


@pytest.fixture
def engine(loaded) -> Engine:
    """A fresh player in the first scene."""
    return entered(loaded)


@pytest.fixture(scope="session")
def loaded_moving(moving_folder) -> Engine:
    return load_engine(moving_folder, speed="plain")


@pytest.fixture(params=["still", "moving"])
def either(request, loaded, loaded_moving) -> Engine:
    """A fresh player in a world without and in one with a motion network."""
    return entered(loaded if request.param == "still" else loaded_moving)


def entered(loaded):
    engine = Engine(loaded.world)
    engine.reset(engine.scenes[0], seed=7)
    return engine

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


@pytest.fixture(scope="session")
def loaded_keeping(tmp_path_factory) -> Engine:
    """A world whose motion has momentum and keeps detail and what is off-screen, some of it
    dreamed."""
    folder, does = tmp_path_factory.mktemp("worlds") / "keeping", {"momentum": True, "detail": True}
    does |= {"measured": True, "offscreen": (2, 3), "outpainter": True}
    return load_engine(save_world(folder, moving=True, **does), speed="plain")


@pytest.fixture(params=["still", "moving", "keeping"])
def either(request, loaded, loaded_moving, loaded_keeping) -> Engine:
    """A fresh player in a world without motion, with it, and with all that it can do."""
    of = {"still": loaded, "moving": loaded_moving, "keeping": loaded_keeping}
    return entered(of[request.param])


def entered(loaded):
    engine = Engine(loaded.world)
    engine.reset(engine.scenes[0], seed=7)
    return engine

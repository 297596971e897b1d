"""Fixtures: servers of stub worlds."""

import contextlib

import pytest
from serving import Served, make_world
from stub_engine import StubBackend

from worldmodel.serve.limits import Limits
from worldmodel.serve.server import PlayServer
from worldmodel.serve.worlds import Library, find_worlds


@pytest.fixture
def serve(tmp_path):
    """A function that starts a server: serve(worlds=("stub",), engine={...}, **limits)."""
    with contextlib.ExitStack() as stack:

        def start(worlds=("stub",), engine=None, load_seconds=0.0, **limits) -> Served:
            for name in worlds:
                make_world(tmp_path, name)
            backend = StubBackend(engine=engine or {}, load_seconds=load_seconds)
            library = Library(find_worlds(tmp_path), backend)
            served = Served(PlayServer(library, Limits(**limits)), backend)
            stack.callback(served.close)
            return served

        yield start

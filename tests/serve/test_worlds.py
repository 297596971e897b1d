"""Finding worlds and loading them in the background."""

import threading

import pytest
from serving import make_world
from stub_engine import StubBackend, StubEngine

from worldmodel.errors import UserError
from worldmodel.serve.worlds import Library, find_worlds


def test_a_checkpoint_or_a_folder_of_them_is_found(tmp_path):
    doom, maze = make_world(tmp_path, "doom"), make_world(tmp_path, "maze", '{"title": "Maze!"}')
    assert [w.title for w in find_worlds(tmp_path)] == ["Doom", "Maze!"]
    assert [w.folder for w in find_worlds(maze)] == [maze]
    assert doom.is_dir()


def test_worlds_stand_in_the_order_of_their_places(tmp_path):
    make_world(tmp_path, "arena", '{"title": "Arena", "place": 1}')
    make_world(tmp_path, "cave", '{"title": "Cave", "place": "first"}')
    make_world(tmp_path, "maze")
    assert [w.title for w in find_worlds(tmp_path)] == ["Cave", "Maze", "Arena"]


@pytest.mark.parametrize("config", ["", "[1]", "nonsense", '{"title": 5}'])
def test_an_odd_config_still_has_a_name(tmp_path, config):
    make_world(tmp_path, "deep_halls", config)
    assert find_worlds(tmp_path)[0].title == "Deep halls"


def test_a_folder_without_worlds_says_what_to_do(tmp_path):
    with pytest.raises(UserError, match="worldmodel train world"):
        find_worlds(tmp_path)


def test_a_world_is_loaded_once_and_says_what_it_is_doing(tmp_path):
    gate, notes = threading.Event(), []

    class Slow(StubBackend):
        def load(self, folder, note):
            notes.append(folder.name)
            note("Reading slowly")
            gate.wait(10)
            return super().load(folder, note)

    make_world(tmp_path, "doom")
    library = Library(find_worlds(tmp_path), Slow())
    world = library.first
    future = library.load(world)
    assert library.load(world) is future and not future.done()
    gate.set()
    engine = future.result(timeout=10)
    assert (engine.name, world.title, world.note) == ("doom", "Stub halls", "Ready")
    assert len(world.cards) == len(engine.scenes) and notes == ["doom"]
    library.close()


def test_a_world_without_scenes_cannot_be_entered(tmp_path, monkeypatch):
    monkeypatch.setattr("stub_engine._scenes", lambda size: ())
    make_world(tmp_path, "doom")
    library = Library(find_worlds(tmp_path), StubBackend())
    with pytest.raises(UserError, match="no opening scene"):
        library.load(library.first).result(timeout=10)
    library.close()
    assert StubEngine().scenes == ()


def test_an_unknown_world_is_named(tmp_path):
    make_world(tmp_path, "doom")
    with pytest.raises(UserError, match="'nowhere'"):
        Library(find_worlds(tmp_path), StubBackend()).find("nowhere")

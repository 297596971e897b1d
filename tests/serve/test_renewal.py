"""A world that is trained while it is played: the newer one takes over, the session goes on."""

import json
import os

import numpy as np
import pytest
from serving import Served, eventually, make_world, picture, sessions
from stub_engine import StubBackend, seed_colour

from worldmodel.serve.limits import Limits
from worldmodel.serve.protocol import FLAG_FIRST
from worldmodel.serve.renewal import Files
from worldmodel.serve.server import PlayServer
from worldmodel.serve.worlds import Library, find_worlds

SOON = 0.02  # seconds between two looks at the files


def publish(folder, **config):
    """Replace a checkpoint's file as training does."""
    partial = folder / "config.partial"
    partial.write_text(json.dumps(config))
    partial.replace(folder / "config.json")


@pytest.fixture
def training(tmp_path):
    """A served world of training step 100, and its folder."""
    folder = make_world(tmp_path, "halls")
    publish(folder, trained=100)
    backend = StubBackend()
    served = Served(PlayServer(Library(find_worlds(folder), backend, SOON), Limits()), backend)
    yield served, folder
    served.close()


def test_a_newer_checkpoint_takes_over_and_the_session_goes_on(training):
    served, folder = training
    player = served.player()
    assert player.until("state", phase="playing")["trained"] == 100
    player.send(t="start", world=None, scene="scene-2", seed=11)
    player.send(t="settings", steps=4, guidance=None)
    player.until("state", scene="scene-2", settings={"steps": 4, "guidance": 1.0})
    before, _ = player.frame_where(lambda h: h.frame >= 3)
    publish(folder, trained=200)
    state = player.until("state", trained=200)
    assert (state["scene"], state["seed"], state["phase"]) == ("scene-2", 11, "playing")
    assert state["settings"] == {"steps": 4, "guidance": 1.0}
    header, shown = player.frame()
    assert header.frame > before.frame and not header.flags & FLAG_FIRST
    assert np.abs(picture(shown)[50, 10].astype(int) - seed_colour(11)).max() < 12


def test_a_recording_and_rewinding_go_on_over_the_change(training):
    served, folder = training
    player = served.player()
    player.until("state", phase="playing")
    player.send(t="record", on=True)
    player.until("state", recording=True)
    player.until("state", can_rewind=True)
    publish(folder, trained=200)
    assert player.until("state", trained=200)["recording"] is True
    player.send(t="rewind")
    header, _ = player.frame_where(lambda h: h.flags & FLAG_FIRST)
    assert header.frame > 0
    assert eventually(lambda: sessions(served)[0].shelf.recordings)[0].frames > 1


def test_a_damaged_newer_checkpoint_is_passed_over_until_it_is_whole(training, caplog):
    served, folder = training
    player = served.player()
    player.until("state", phase="playing")
    publish(folder, trained=150, damaged=True)
    eventually(lambda: "passed over" in caplog.text)
    player.frame()
    player.send(t="pause", on=True)
    assert player.until("state", phase="paused")["trained"] == 100
    publish(folder, trained=200)
    player.until("state", trained=200)


def test_a_newcomer_enters_the_newest(training):
    served, folder = training
    library = served.server.services.library
    library.load(library.first).result(timeout=10)
    publish(folder, trained=200)
    eventually(lambda: library.first.version == 1)
    assert served.player().until("state", phase="playing")["trained"] == 200


def test_a_world_that_could_not_be_loaded_is_tried_again_when_its_files_change(tmp_path):
    folder = make_world(tmp_path, "halls")
    publish(folder, damaged=True)
    library = Library(find_worlds(folder), StubBackend(), SOON)
    assert library.load(library.first).exception(timeout=10)
    publish(folder, trained=100)
    engine = eventually(
        lambda: (e := library.first.engine) and e.done() and not e.exception() and e.result()
    )
    assert engine.trained == 100
    library.close()


def test_changed_times_without_changed_bytes_are_no_newer_checkpoint(tmp_path):
    folder = make_world(tmp_path, "halls")
    (folder / "world.safetensors").write_bytes(b"weights")
    files = Files.of(folder)
    assert files.now(folder) is files
    os.utime(folder / "world.safetensors", (1, 1))
    touched = files.now(folder)
    assert touched is not files and touched.digest == files.digest
    (folder / "world.safetensors").write_bytes(b"WEIGHTS")
    assert touched.now(folder).digest != files.digest

"""The same stories on the world that ships, or on the one that WORLDMODEL_TEST_WORLD names."""

import os
from pathlib import Path

import pytest
import stories

WORLD = Path(
    os.environ.get(
        "WORLDMODEL_TEST_WORLD", Path(__file__).resolve().parents[2] / "checkpoints" / "doom"
    )
)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.filterwarnings("ignore"),  # Gradio leaves sockets and loops open
    pytest.mark.skipif(
        not (WORLD / "world.safetensors").is_file(), reason=f"there is no trained world in {WORLD}"
    ),
]


@pytest.fixture(scope="module")
def server(pages):
    from worldmodel.serve.worlds import CheckpointBackend

    server = pages(WORLD, CheckpointBackend(), players=2, grace_seconds=1.0)
    library = server.services.library
    library.load(library.first).result(timeout=240)  # loading is not what is tested here
    return server


@pytest.fixture
def page(server, visit):
    page = visit(server.url)
    stories.play(page)
    yield page
    assert page.problems == []


def test_a_held_key_changes_the_picture(page):
    stories.a_held_key_changes_the_picture(page, "ArrowRight", "turn_right")


def test_latency_is_measured_and_shown(page):
    stories.latency_is_measured_and_shown(page, "w", "forward")


def test_two_players_do_not_see_each_other(page, server, visit):
    other = visit(server.url)
    stories.play(other)
    stories.two_players_do_not_see_each_other(page, other, "w", "forward")


def test_a_vanished_player_frees_his_place(page, server, visit):
    second = visit(server.url)
    stories.play(second)
    stories.a_vanished_player_frees_his_place(second, visit(server.url))


def test_a_slow_player_is_never_shown_the_past(server, visit):
    slow = visit(server.url, "window.requestAnimationFrame = (f) => setTimeout(f, 250)")
    stories.play(slow)
    stories.a_slow_player_is_never_shown_the_past(slow, server)


def test_a_recording_comes_home(page, tmp_path):
    stories.a_recording_comes_home(page, "w", "forward", tmp_path)

"""The page of a world that is being trained: it says which step is played, and goes on."""

import json

import pytest
import stories
from stub_engine import StubBackend

pytestmark = [
    pytest.mark.browser,
    pytest.mark.filterwarnings("ignore"),  # Gradio leaves sockets and loops open
]


def publish(folder, step):
    partial = folder / "config.partial"
    partial.write_text(json.dumps({"trained": step}))
    partial.replace(folder / "config.json")


def test_the_page_says_which_training_step_is_played(pages, visit, tmp_path):
    folder = tmp_path / "halls"
    folder.mkdir()
    publish(folder, 1500)
    page = visit(pages(folder, StubBackend()).url)
    stories.play(page)
    label = page.locator(".trained")
    assert label.text_content() == "training step 1,500"
    assert not page.locator(".toast.on").count()
    page.wait_for_function("worldmodel.last.frame >= 20")
    publish(folder, 1750)
    page.wait_for_function("document.querySelector('.trained').textContent.includes('1,750')")
    assert "now playing training step 1,750" in page.locator(".toast").text_content()
    assert page.evaluate("worldmodel.phase") == "playing"
    assert page.evaluate("worldmodel.last.frame") >= 20  # it has not begun again
    assert page.problems == []


def test_a_finished_world_says_nothing_of_training(stub_pages, visit):
    page = visit(stub_pages(("halls",)).url)
    stories.play(page)
    assert page.locator(".trained").text_content() == ""

"""The blind test in a browser: look, choose, and be told the score."""

import warnings

import numpy as np
import pytest
from conftest import sweep_up_after_gradio

from worldmodel.evaluate.blind import SECONDS, Answers, Trial, Trials

pytestmark = [
    pytest.mark.browser,
    pytest.mark.filterwarnings("ignore"),  # Gradio leaves sockets and loops open
]
RED, BLUE = (200, 30, 30), (30, 30, 200)


def clip(colour):
    frames = np.zeros((6, 96, 128, 3), np.uint8) + np.uint8(colour)
    for t, frame in enumerate(frames):
        frame[:, 20 * t : 20 * t + 10] = 255  # it moves
    return frames


@pytest.fixture
def blind_page(tmp_path, visit):
    """A page with four trials in which red clips are real, and its answers."""
    from worldmodel.evaluate.blind_page import launch
    from worldmodel.serve.address import free_port

    trials = tuple(
        Trial(name=f"{i}", seconds=SECONDS[i % 2], real=clip(RED), dreamed=clip(BLUE))
        for i in range(4)
    )
    test = Trials(world="Red and blue", weights="abc", fps=10.0, trials=trials)
    answers = Answers(tmp_path / "answers.jsonl")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Gradio's own
        demo = launch(test, answers, "127.0.0.1", free_port("127.0.0.1", 0))
    yield visit(demo.local_url), answers
    demo.close(verbose=False)
    sweep_up_after_gradio()


def red_is_left(page) -> bool:
    """Whether the left clip is the red one, as the browser shows it."""
    red, _, blue = page.evaluate(
        """async () => {
            const picture = document.querySelector("#clips img");
            await picture.decode();
            const canvas = document.createElement("canvas").getContext("2d");
            canvas.drawImage(picture, 0, 0, 128, 96);
            return Array.from(canvas.getImageData(120, 90, 1, 1).data).slice(0, 3);
        }"""
    )
    return red > blue


def test_whoever_sees_the_difference_is_told_so(blind_page):
    page, answers = blind_page
    for number in range(1, 5):
        page.wait_for_function(
            f"document.querySelector('#progress')?.innerText.includes('{number} of 4')"
        )
        assert page.locator("#clips img").count() == 2
        page.click("#left" if red_is_left(page) else "#right")
    page.wait_for_function("document.querySelector('#progress').innerText.includes('Thank you')")
    text = page.inner_text("#progress")
    assert "you, 1.6 s: 1.00 (0.34 to 1.00), 2 of 2 right" in text
    assert "everybody, 3.2 s: 1.00" in text
    assert not page.locator("#left").is_visible()
    assert [a["said"] == a["real"] for a in answers.read()] == [True] * 4
    assert page.problems == []

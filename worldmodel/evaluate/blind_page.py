"""The blind test as a page: two clips, two buttons, and the score at the end."""

import base64
import io
import secrets
import threading
from pathlib import Path

import numpy as np
from PIL import Image

from worldmodel.evaluate.blind import Answers, Trial, Trials, make_test, scores
from worldmodel.serve.address import free_port
from worldmodel.serve.page import gr  # with its calls home switched off

SCALE = 4  # page pixels to a pixel of a clip
CSS = """
.clips { display: flex; gap: 24px; justify-content: center; }
.clips figure { margin: 0; text-align: center; }
.clips img { image-rendering: pixelated; display: block; max-width: 46vw; }
.clips figcaption { padding: 6px; font-weight: 600; }
"""
WELCOME = (
    "One of the two clips is the real game, the other one is dreamed by a neural network, from the "
    "same start under the same keys. **Which one is real?** You are told how you did at the end."
)
Seat = tuple[str, int, bool]  # who answers, at which trial, and whether the real one is left


def blind(
    checkpoint: Path, data: Path, *, answers: Path = Path("runs/blind.jsonl"), trials: int = 20,
    host: str = "127.0.0.1", port: int = 7861, seed: int = 0,
) -> None:  # fmt: skip
    """Serve the test until interrupted, then print the score of all answers so far.

    Raises UserError: data of another game, a file that holds no answers, a port that is taken.
    """
    kept, port = Answers(answers), free_port(host, port)
    test = make_test(checkpoint, data, trials=trials, seed=seed)
    demo = launch(test, kept, host, port)
    print(f"Blind test at {demo.local_url}  (Ctrl+C ends it); answers in {answers}", flush=True)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        print(*scores(test, kept.read()), sep="\n")
    finally:
        demo.close(verbose=False)


def launch(test: Trials, answers: Answers, host: str, port: int) -> gr.Blocks:
    """Serve the page in the background; the address is `demo.local_url`."""
    demo = build_page(test, answers)
    demo.launch(
        server_name=host, server_port=port, ssr_mode=False, prevent_thread_lock=True, share=False,
        quiet=True, footer_links=[], css=CSS, theme=gr.themes.Base(font=["system-ui"]),
    )  # fmt: skip
    return demo


def build_page(test: Trials, answers: Answers) -> gr.Blocks:
    """Every visitor is a person of his own and sees the trials from the first on."""
    private = {"show_progress": "hidden", "api_visibility": "private"}
    with gr.Blocks(title="Which one is real?", analytics_enabled=False) as demo:
        gr.Markdown(f"## {test.world}\n{WELCOME}")
        seat = gr.State()
        progress = gr.Markdown(elem_id="progress")
        clips = gr.HTML(elem_id="clips")
        with gr.Row() as choice:
            left = gr.Button("Left is real", elem_id="left")
            right = gr.Button("Right is real", elem_id="right")
        shown = [seat, progress, clips, choice]

        def begin() -> list[object]:
            return show(test, answers, (secrets.token_hex(4), 0, bool(secrets.randbits(1))))

        def answer(seat: Seat, said_left: bool) -> list[object]:
            person, number, real_left = seat
            if number < len(test.trials):
                answers.add(test, test.trials[number], person, real_left, said_left)
                number += 1
            return show(test, answers, (person, number, bool(secrets.randbits(1))))

        demo.load(begin, outputs=shown, **private)
        left.click(lambda seat: answer(seat, True), seat, shown, **private)
        right.click(lambda seat: answer(seat, False), seat, shown, **private)
    return demo


def show(test: Trials, answers: Answers, seat: Seat) -> list[object]:
    """What the page shows at a seat: the next trial, or the score when there is none left."""
    person, number, real_left = seat
    if number < len(test.trials):
        clips = pair(test.trials[number], real_left, test.fps)
        return [seat, f"{number + 1} of {len(test.trials)}", clips, gr.update(visible=True)]
    records = answers.read()
    yours, all_ = (scores(test, records, who) for who in (person, None))
    lines = ["**Thank you.** Share of right answers (0.5 is guessing), 95 % interval:"]
    lines += [f"- you, {line}" for line in yours] + [f"- everybody, {line}" for line in all_]
    return [seat, "\n".join(lines), "", gr.update(visible=False)]


def pair(trial: Trial, real_left: bool, fps: float) -> str:
    """Both clips as HTML; nothing in it tells which is which."""
    clips = [trial.real, trial.dreamed] if real_left else [trial.dreamed, trial.real]
    width = SCALE * trial.real.shape[2]
    figures = [
        f'<figure><img width="{width}" src="{moving(clip, fps)}"><figcaption>{side}</figcaption>'
        "</figure>"
        for clip, side in zip(clips, ("left", "right"), strict=True)
    ]
    return f'<div class="clips">{"".join(figures)}</div>'


def moving(clip: np.ndarray, fps: float) -> str:
    """uint8 [t H W 3] as the data URI of an animated WebP, without loss, that starts over."""
    first, *rest = (Image.fromarray(frame) for frame in clip)
    file = io.BytesIO()
    first.save(
        file, "WEBP", save_all=True, append_images=rest, lossless=True, method=0, loop=0,
        duration=round(1000 / fps),
    )  # fmt: skip
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode()

"""What a person sees and does, told once for stub worlds and for real ones.

Each story waits on states of the page and never on time.
"""

import time
import zipfile
from pathlib import Path

import av
import numpy as np

from worldmodel.data.episode import Episode, load_episode


def play(page) -> None:
    """Wait until the world is on the screen and moving."""
    page.wait_for_selector(".wm-app[data-phase=playing]")
    page.wait_for_function("worldmodel.drawn >= 3")


def told(page, button: str) -> None:
    """Wait until the page has drawn a frame whose model was told of this button."""
    page.wait_for_selector(f".cap.told[data-button={button}]")


def untold(page) -> None:
    """Wait until the page has drawn a frame whose model was told of nothing."""
    page.wait_for_function("!document.querySelector('.cap.told')")


def canvas(page) -> np.ndarray:
    """The picture on the screen, uint8 [h w 3]."""
    height, width, values = page.evaluate(
        """() => {
            const canvas = document.querySelector(".stage canvas");
            const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            return [canvas.height, canvas.width, Array.from(data.data)];
        }"""
    )
    return np.array(values, np.uint8).reshape(height, width, 4)[..., :3]


def state(page) -> dict:
    """Seed, frame and world as the page knows them."""
    return page.evaluate(
        "() => ({seed: Number(document.querySelector('#wm-seed').value),"
        " frame: worldmodel.last.frame, world: worldmodel.world, drawn: worldmodel.drawn})"
    )


def a_held_key_changes_the_picture(page, code: str, button: str) -> None:
    """The cap lights, the model is told, and the picture becomes another."""
    untold(page)
    before = canvas(page)
    page.keyboard.down(code)
    page.wait_for_selector(f".cap.down[data-button={button}]")
    told(page, button)
    drawn = state(page)["drawn"]
    page.wait_for_function(f"worldmodel.drawn >= {drawn + 5}")
    after = canvas(page)
    page.keyboard.up(code)
    untold(page)
    assert np.abs(after.astype(int) - before).mean() > 1.0


def latency_is_measured_and_shown(page, code: str, button: str) -> None:
    """Presses are timed to the drawing of what they changed, and the numbers are on the page."""
    for _ in range(5):
        page.keyboard.down(code)
        told(page, button)
        page.keyboard.up(code)
        untold(page)
    median, tail = page.evaluate("[worldmodel.meter.latency(0.5), worldmodel.meter.latency(0.95)]")
    assert 0 < median <= tail
    for name in ("p50", "p95", "fps", "model"):
        page.wait_for_function(
            f"Number(document.querySelector('[data-hud={name}]').textContent) > 0"
        )


def two_players_do_not_see_each_other(one, two, code: str, button: str) -> None:
    """What one presses, the other's model is never told."""
    one.keyboard.down(code)
    told(one, button)
    seen = state(two)["drawn"]
    two.wait_for_function(f"worldmodel.drawn >= {seen + 5}")
    assert two.evaluate("worldmodel.last.buttons") == 0
    one.keyboard.up(code)
    assert state(one)["seed"] != state(two)["seed"]


def a_vanished_player_frees_his_place(first, second) -> None:
    """The second waits in line until the first closes his page."""
    second.wait_for_selector(".wm-app[data-phase=queue]")
    assert "next" in second.inner_text(".veil .card p")
    first.close()
    play(second)


def a_slow_player_is_never_shown_the_past(page, server, frames: int = 8) -> None:
    """The page draws seldom: what waits for him is never a second old, nor far behind."""
    [session] = server.sessions.values()
    oldest, behind, start = 0.0, 0, state(page)["drawn"]
    drawn = start
    while drawn < start + frames:
        sent, made = session.pace.sent, session.play.engine.frame_index
        oldest = max(oldest, time.monotonic() - sent[0][1] if sent else 0.0)
        shown = state(page)
        drawn, behind = shown["drawn"], max(behind, made - shown["frame"])
    assert oldest < 1.0
    assert behind <= 3


def a_recording_comes_home(page, code: str, button: str, folder: Path) -> Episode:
    """Record some frames with a key held; both downloads open."""
    page.click("[data-do=record]")
    page.wait_for_selector(".wm-app[data-recording=yes]")
    page.keyboard.down(code)
    told(page, button)
    drawn = state(page)["drawn"]
    page.wait_for_function(f"worldmodel.drawn >= {drawn + 5}")
    page.keyboard.up(code)
    page.click("[data-do=record]")
    page.wait_for_selector(".wm-app[data-recording=no]")
    files = {}
    for kind in ("mp4", "zip"):
        with page.expect_download() as download:
            page.click(f".takes li:first-child button[data-kind={kind}]")
        files[kind] = folder / download.value.suggested_filename
        download.value.save_as(files[kind])
    zipfile.ZipFile(files["zip"]).extractall(folder / "episodes")
    episode = load_episode(folder / "episodes" / files["zip"].stem)
    with av.open(str(files["mp4"])) as film:
        stream = film.streams.video[0]
        assert stream.pix_fmt == "yuv420p"
        assert stream.width == 4 * episode.frames.shape[2]
        assert sum(1 for _ in film.decode(stream)) == len(episode.frames)
    held = episode.controls[:, episode.meta.controls.buttons.index(button)]
    assert not episode.controls[0].any() and held.sum() >= 5
    return episode

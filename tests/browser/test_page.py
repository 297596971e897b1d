"""The page on stub worlds: pixels carry what the model was told."""

import asyncio

import pytest
import stories
from PIL import Image
from stub_engine import held_in

pytestmark = [
    pytest.mark.browser,
    pytest.mark.filterwarnings("ignore"),  # Gradio leaves sockets and loops open
]
TOUCH = {"has_touch": True, "is_mobile": True, "viewport": {"width": 390, "height": 844}}


@pytest.fixture(scope="module")
def server(stub_pages):
    return stub_pages(players=8)


@pytest.fixture(scope="module")
def shared_page(server, arrive):
    return arrive(server.url)


@pytest.fixture
def page(shared_page):
    """A page that plays, in a fresh scene: opening one for every test would take minutes."""
    if not shared_page.evaluate("window.worldmodel?.phase === 'playing'"):
        shared_page.reload()
    stories.play(shared_page)
    seed = stories.state(shared_page)["seed"]
    shared_page.click("[data-do=dice]")
    shared_page.wait_for_function(f"Number(document.querySelector('#wm-seed').value) !== {seed}")
    shared_page.wait_for_function("worldmodel.last.frame < 20")
    yield shared_page
    shared_page.evaluate("worldmodel.held.releaseAll()")
    assert shared_page.problems == []


def session_of(server, page):
    """The server's side of a page."""
    return server.sessions[page.evaluate("worldmodel.tokens.token").split(".")[0]]


def drop(server, page) -> None:
    """Close the page's socket as a restarting proxy would."""
    socket = session_of(server, page)._connection._socket
    loop = session_of(server, page)._life.get_loop()
    asyncio.run_coroutine_threadsafe(socket.close(1012), loop).result(timeout=10)


def test_everything_is_on_one_screen_and_comes_from_this_server(page, server):
    size = page.evaluate("[document.documentElement.scrollHeight, innerHeight]")
    assert size[0] <= size[1]
    assert page.locator(".scenes button").count() == 6
    assert page.locator(".cap").count() == 6
    own = (server.url, "data:", "blob:")
    assert [url for url in page.requests if not url.startswith(own)] == []


def test_a_held_key_changes_the_picture(page):
    stories.a_held_key_changes_the_picture(page, "w", "forward")
    page.keyboard.down("ArrowLeft")
    stories.told(page, "turn_left")
    assert held_in(stories.canvas(page)) == ("turn_left",)


def test_latency_is_measured_and_shown(page):
    stories.latency_is_measured_and_shown(page, "w", "forward")


def test_letting_go_of_the_window_lets_go_of_the_keys(page):
    page.keyboard.down("w")
    stories.told(page, "forward")
    page.evaluate("window.dispatchEvent(new Event('blur'))")
    stories.untold(page)


def test_keys_typed_into_a_field_do_not_walk(page):
    page.fill("#wm-seed", "")
    page.focus("#wm-seed")
    page.keyboard.press("w")
    page.keyboard.type("42")
    page.keyboard.press("Enter")
    page.wait_for_function(
        "worldmodel.last.frame < 20 && document.querySelector('#wm-seed').value == 42"
    )
    assert page.evaluate("worldmodel.held.codes.length + worldmodel.last.buttons") == 0


def test_two_players_do_not_see_each_other(page, server, visit):
    other = visit(server.url)
    stories.play(other)
    stories.two_players_do_not_see_each_other(page, other, "w", "forward")


def test_a_vanished_player_frees_his_place(stub_pages, visit):
    server = stub_pages(players=1)
    first = visit(server.url)
    stories.play(first)
    stories.a_vanished_player_frees_his_place(first, visit(server.url))


def test_a_slow_player_is_never_shown_the_past(stub_pages, visit):
    server = stub_pages(engine={"fps": 60.0})
    slow = visit(server.url, "window.requestAnimationFrame = (f) => setTimeout(f, 250)")
    stories.play(slow)
    stories.a_slow_player_is_never_shown_the_past(slow, server)


def test_a_recording_comes_home(page, tmp_path):
    episode = stories.a_recording_comes_home(page, "w", "forward", tmp_path)
    for frame, control in list(zip(episode.frames, episode.controls, strict=True))[1:]:
        assert held_in(frame) == episode.meta.controls.pressed(control)


def test_pause_step_and_reset_until_one_can_rewind(page, server):
    page.keyboard.press("p")
    page.wait_for_selector(".wm-app[data-phase=paused]")
    made = session_of(server, page).play.engine.frame_index  # whoever pauses is between two frames
    page.wait_for_function(f"worldmodel.last.frame === {made}")
    for stepped in (made + 1, made + 2):
        page.click("[data-do=step]")
        page.wait_for_function(f"worldmodel.last.frame === {stepped}")
        assert page.evaluate("worldmodel.last.flags & 2"), "a frame made in a pause says so"
    page.click("[data-do=reset]")
    page.wait_for_function("worldmodel.last.frame === 0")
    page.click("[data-do=pause]")
    page.wait_for_selector(".wm-app[data-phase=playing]")
    page.wait_for_selector("[data-do=rewind]:not(:disabled)")


def test_scenes_seeds_settings_worlds_and_scaling(page, server):
    page.click(".scenes button[data-scene=scene-2]")
    page.wait_for_selector(".scenes button.on[data-scene=scene-2]")
    page.fill("#wm-seed", "123")
    page.click(".seed button[type=submit]")
    page.wait_for_function("worldmodel.last.frame < 20")
    engine = session_of(server, page).play.engine
    assert (engine.scene.name, engine.seed) == ("scene-2", 123)
    page.fill("#wm-steps", "5")
    page.fill("#wm-guidance", "1.5")
    page.wait_for_function("document.querySelector('#wm-guidance').value === '1.5'")
    page.select_option(".world", "other")
    page.wait_for_function("worldmodel.world === 'other'")
    assert (engine.settings.steps, engine.settings.guidance) == (5, 1.5)
    page.select_option(".world", "halls")
    page.wait_for_function("worldmodel.world === 'halls'")
    page.click("[data-do=scaling]")
    assert page.evaluate("getComputedStyle(document.querySelector('canvas')).imageRendering") == (
        "auto"
    )


def test_an_own_picture_becomes_the_world(page, tmp_path):
    Image.new("RGB", (3000, 2000), (250, 10, 10)).save(tmp_path / "red.png")
    page.set_input_files(".own input", tmp_path / "red.png")
    page.wait_for_selector(".scenes button.on[data-scene=own-picture]")
    pixel = "worldmodel.screen.context.getImageData(110, 20, 1, 1).data"
    page.wait_for_function(f"(([red, green]) => red > 100 && green < 40)({pixel})")


def test_what_is_no_picture_gets_one_sentence(page, tmp_path):
    (tmp_path / "no.png").write_text("this is no picture")
    page.set_input_files(".own input", tmp_path / "no.png")
    page.wait_for_selector(".toast.on")
    assert "not a picture" in page.inner_text(".toast")
    assert page.evaluate("worldmodel.phase") == "playing"


def test_a_dropped_connection_comes_back_to_the_same_world(page, server):
    before = stories.state(page)
    drop(server, page)
    page.wait_for_function(f"worldmodel.drawn > {before['drawn'] + 10}")
    stories.play(page)
    after = stories.state(page)
    assert after["seed"] == before["seed"] and after["frame"] > before["frame"]
    stories.a_held_key_changes_the_picture(page, "s", "backward")


def test_while_the_connection_is_down_the_page_says_so(page, server):
    page.wait_for_function("worldmodel.drawn > 0")
    page.evaluate("worldmodel.link.connect = () => {}")
    drop(server, page)
    page.wait_for_selector(".wm-app[data-phase=dropped]")
    assert "kept" in page.inner_text(".veil .card p")


def test_a_refused_token_is_replaced(page, server):
    page.evaluate("worldmodel.tokens.token = 'forged.1.x'")
    page.evaluate("worldmodel.link.socket.close(); worldmodel.drawn = 0")
    stories.play(page)
    assert page.evaluate("worldmodel.tokens.token.startsWith('forged')") is False


def test_fingers_hold_two_keys_at_once(server, visit):
    page = visit(server.url, **TOUCH)
    stories.play(page)
    assert page.evaluate("document.documentElement.scrollHeight <= innerHeight")
    points = []
    for button in ("forward", "turn_right"):
        box = page.locator(f".cap[data-button={button}]").bounding_box()
        points.append({"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2})
    points = [{**point, "id": i} for i, point in enumerate(points)]
    fingers = page.context.new_cdp_session(page)
    fingers.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": points})
    stories.told(page, "forward")
    stories.told(page, "turn_right")
    assert held_in(stories.canvas(page)) == ("forward", "turn_right")
    fingers.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": points[1:]})
    page.wait_for_function("worldmodel.last.buttons === 1")
    fingers.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    stories.untold(page)
    page.tap(".bar [data-do=sheet]")
    page.tap(".scenes button[data-scene=scene-1]")
    page.wait_for_selector(".scenes button.on[data-scene=scene-1]", state="attached")


def test_loading_and_a_checkpoint_that_fails_are_told(stub_pages, visit):
    server = stub_pages(names=("a", "b"), load_seconds=1.0)
    page = visit(server.url)
    page.wait_for_selector(".wm-app[data-phase=loading] .veil .card p:has-text('Reading')")
    stories.play(page)
    (server.services.library.worlds["b"].folder / "config.json").write_text('"damaged"')
    page.select_option(".world", "b")
    page.wait_for_selector(".toast.on")
    assert "damaged" in page.inner_text(".toast")
    stories.play(page)


def test_who_was_away_too_long_is_told_and_can_play_on(stub_pages, visit):
    server = stub_pages(idle_seconds=1.0)
    page = visit(server.url)
    stories.play(page)
    page.wait_for_selector(".wm-app[data-phase=ended]")
    assert "stopped" in page.inner_text(".veil .card p")
    page.click(".veil .again")
    stories.play(page)


def test_a_large_world_is_played_too(stub_pages, visit):
    page = visit(stub_pages(engine={"size": (288, 512)}).url)
    stories.play(page)
    assert page.evaluate("[worldmodel.last.width, worldmodel.screen.canvas.width]") == [512, 512]

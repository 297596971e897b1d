"""A headless Chromium, and pages served from this process."""

import asyncio
import contextlib
import gc
import shutil
import sys
import warnings
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "serve"))

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SWITCHES = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
)
PATIENCE_MS = 30_000


def sweep_up_after_gradio() -> None:
    """It leaves sockets and loops open; collected here they warn nobody."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        asyncio.set_event_loop(None)
        gc.collect()


@pytest.fixture(scope="module")
def chromium():
    """One browser for the tests of a module; it must end with it, as its event loop is in the way
    of tests that run their own."""
    if CHROMIUM is None:
        pytest.skip("no chromium found; `apt install chromium` to run the browser tests")
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(SWITCHES))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def arrive(chromium):
    """A function that opens an address as a new person: arrive(url, script, **context_options)."""

    def open_page(url: str, script: str = "", **options):
        options.setdefault("viewport", {"width": 1280, "height": 800})
        page = chromium.new_context(**options).new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.problems, page.requests = [], []
        page.on("pageerror", lambda error: page.problems.append(str(error)))
        page.on("request", lambda request: page.requests.append(request.url))
        if script:
            page.add_init_script(script)
        page.goto(url)
        return page

    return open_page


@pytest.fixture
def visit(arrive):
    """Like `arrive`, for the time of one test."""
    with contextlib.ExitStack() as stack:

        def open_page(*args, **options):
            page = arrive(*args, **options)
            stack.callback(page.context.close)
            return page

        yield open_page


@pytest.fixture(scope="module")
def pages():
    """A function that serves worlds with the whole page: pages(worlds, backend, **limits)."""
    from worldmodel.serve.address import free_port
    from worldmodel.serve.limits import Limits
    from worldmodel.serve.page import launch
    from worldmodel.serve.server import PlayServer
    from worldmodel.serve.worlds import Library, find_worlds

    with contextlib.ExitStack() as stack:
        stack.callback(sweep_up_after_gradio)

        def start(worlds: Path, backend, **limits):
            server = PlayServer(Library(find_worlds(worlds), backend), Limits(**limits))
            stack.callback(server.close)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Gradio's own
                demo = launch(server, "127.0.0.1", free_port("127.0.0.1", 0))
            stack.callback(demo.close, verbose=False)
            server.url = demo.local_url
            return server

        yield start


@pytest.fixture(scope="module")
def stub_pages(pages, tmp_path_factory):
    """A function that serves stub worlds: stub_pages(names, engine={...}, **limits)."""
    from stub_engine import StubBackend

    def start(names=("halls", "other"), engine=None, load_seconds=0.0, config="{}", **limits):
        root = tmp_path_factory.mktemp("worlds")
        for name in names:
            (root / name).mkdir()
            (root / name / "config.json").write_text(config)
        return pages(root, StubBackend(engine=engine or {}, load_seconds=load_seconds), **limits)

    return start

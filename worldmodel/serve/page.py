"""The Gradio page and the server it runs on."""

import os
from pathlib import Path

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "0")  # before gradio is imported: no calls out
os.environ["no_proxy"] = ",".join(
    filter(None, [os.environ.get("no_proxy"), "127.0.0.1", "localhost"])
)

import gradio as gr

from worldmodel.serve.server import PAGE, PREFIX, PlayServer

TITLE = "worldmodel"
START_SCRIPT = (
    f'import(new URL("{PREFIX[1:]}/page/main.js", document.baseURI).href)'
    ".then((page) => page.start(element, props, server, watch));"
)


def build_page(server: PlayServer) -> gr.Blocks:
    """One HTML component; its token is minted when somebody loads the page."""

    def fresh_token(_asked: object) -> str:  # the page calls it when its token is refused
        return server.mint.mint()

    with gr.Blocks(title=TITLE, analytics_enabled=False, fill_width=True) as demo:
        world = gr.HTML(
            value="",
            html_template=_text("page.html"),
            css_template=_text("page.css"),
            js_on_load=START_SCRIPT,
            apply_default_css=False,
            server_functions=[fresh_token],
            elem_id="worldmodel",
        )
        demo.load(
            server.mint.mint,
            outputs=world,
            queue=False,
            show_progress="hidden",
            api_visibility="private",
        )
    return demo


def launch(server: PlayServer, host: str, port: int) -> gr.Blocks:
    """Serve the page and the routes in the background; the address is `demo.local_url`."""
    demo = build_page(server)
    demo.launch(
        server_name=host,
        server_port=port,
        app_kwargs={"routes": server.routes},
        ssr_mode=False,
        prevent_thread_lock=True,
        share=False,
        quiet=True,
        footer_links=[],
        css=_text("shell.css"),
        theme=gr.themes.Base(font=["system-ui", "sans-serif"], font_mono=["monospace"]),
    )
    return demo


def _text(name: str) -> str:
    return Path(PAGE / name).read_text(encoding="utf-8")

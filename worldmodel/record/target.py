"""A small real game to measure the recorder with: stripes that light up while keys are held.

Run as `python -m worldmodel.record.target`; needs Tk, or with `--toolkit sdl` pygame-ce.
"""

from argparse import ArgumentParser
from collections.abc import Callable

TITLE = "worldmodel recorder target"
KEYS = {  # Tk's keysym -> code, a stripe each from left to right
    "a": "KeyA", "d": "KeyD", "w": "KeyW", "s": "KeyS",
    "Left": "ArrowLeft", "Right": "ArrowRight", "space": "Space", "e": "KeyE",
}  # fmt: skip
SETTLE = 2  # milliseconds after a release in which a repeat of the key comes, if it is one
TICK = 8  # milliseconds between two steps of the bar at the bottom
BAR = 0.2  # of the height


def run_tk(width: int, height: int) -> None:
    """The window by Tk, until it is closed."""
    import tkinter

    root = tkinter.Tk()
    root.title(TITLE)
    root.geometry(f"{width}x{height}+20+20")
    canvas = tkinter.Canvas(root, width=width, height=height, bg="black", highlightthickness=0)
    canvas.pack()
    stripe, foot = width / len(KEYS), height * (1 - BAR)
    stripes = {
        key: canvas.create_rectangle(i * stripe, 0, (i + 1) * stripe, foot, width=0)
        for i, key in enumerate(KEYS)
    }
    bar = canvas.create_rectangle(0, foot, 10, height, fill="white", width=0)
    pending: dict[str, str] = {}

    def paint(key: str, fill: str) -> None:
        pending.pop(key, None)
        canvas.itemconfigure(stripes[key], fill=fill)
        canvas.update_idletasks()

    def press(event: tkinter.Event) -> None:
        key = _known(event.keysym)
        if key in pending:
            root.after_cancel(pending[key])
        if key:
            paint(key, "white")

    def release(event: tkinter.Event) -> None:
        key = _known(event.keysym)
        if key:
            pending[key] = root.after(SETTLE, lambda: paint(key, ""))

    def tick(at: int = 0) -> None:
        canvas.moveto(bar, at % width, foot)
        root.after(TICK, lambda: tick(at + 3))

    root.bind("<KeyPress>", press)
    root.bind("<KeyRelease>", release)
    root.after(200, root.focus_force)
    tick()
    root.mainloop()


def run_sdl(width: int, height: int) -> None:
    """The window by SDL, until it is closed."""
    import pygame

    pygame.init()
    screen = pygame.display.set_mode((width, height))
    pygame.display.set_caption(TITLE)
    names = {"Left": "left", "Right": "right"}
    keys = [pygame.key.key_code(names.get(key, key)) for key in KEYS]
    stripe, foot, at = width / len(KEYS), int(height * (1 - BAR)), 0
    while not any(event.type == pygame.QUIT for event in pygame.event.get()):
        held = pygame.key.get_pressed()
        screen.fill("black")
        for i, key in enumerate(keys):
            if held[key]:
                screen.fill("white", (round(i * stripe), 0, round(stripe), foot))
        screen.fill("white", (at % width, foot, 10, height - foot))
        pygame.display.flip()
        pygame.time.wait(TICK)
        at += 3


def _known(keysym: str) -> str | None:
    key = keysym.lower() if len(keysym) == 1 else keysym
    return key if key in KEYS else None


RUN: dict[str, Callable[[int, int], None]] = {"tk": run_tk, "sdl": run_sdl}

if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--toolkit", choices=RUN, default="tk")
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--height", type=int, default=480)
    options = parser.parse_args()
    RUN[options.toolkit](options.width, options.height)

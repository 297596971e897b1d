"""A person at the keyboard, in a desktop window that shows a game being recorded."""

import time
from types import ModuleType

import numpy as np

from worldmodel.games.base import Game
from worldmodel.play.held import HeldKeys, system_probe
from worldmodel.play.window import ESCAPE, code_of
from worldmodel.record.keys import shown
from worldmodel.record.takes import Takes

COMMANDS = {ESCAPE: "quit", 13: "next", 8: "discard", 9: "pause"}  # Enter, Backspace, Tab
HELP = "Esc: end   Enter: next episode   Backspace: throw away   Tab: pause"
HUD = 44  # pixels below the picture
INK, DIM, LIT = (225, 225, 225), (140, 140, 140), (90, 90, 240)  # BGR


class Person:
    """Plays at the game's rate with the keys held in the window; a slow game slows time down.

    `wish` is "quit", "next" or "discard" once the person wants that. While paused no step is
    made, so nothing is recorded and nothing is missing.
    """

    name = "person"

    def __init__(self, cv2: ModuleType, game: Game, scale: int) -> None:
        self.cv2, self.game, self.wish = cv2, game, None
        self.size = game.size[1] * scale, game.size[0] * scale
        self.title = f"worldmodel: recording {game.name}"
        self.paused = False
        self._keys, self._held = HeldKeys(system_probe()), ()
        self._picture: np.ndarray | None = None
        cv2.namedWindow(self.title, cv2.WINDOW_AUTOSIZE | cv2.WINDOW_GUI_NORMAL)
        self._due = time.perf_counter()

    def reset(self, seed: int) -> None:
        """A new episode; keys that are down stay down."""
        self.wish = None
        self._due = time.perf_counter()

    def show(self, frame: np.ndarray, takes: Takes) -> None:
        """Draw the frame uint8 [h w 3], and below it what is being recorded."""
        cv2 = self.cv2
        picture = cv2.resize(frame[..., ::-1], self.size, interpolation=cv2.INTER_CUBIC)
        self._picture = cv2.copyMakeBorder(picture, 0, HUD, 0, 0, cv2.BORDER_CONSTANT)
        line = f"REC {takes.name}  {takes.frames} frames  keys {shown(self._held)}"
        self._write(line, 16, LIT)
        self._write(HELP, 34, DIM)
        cv2.imshow(self.title, self._picture)

    def act(self, game: Game) -> np.ndarray:
        """Wait for the next step's time; return the control, float32 [k], of the held keys."""
        self._due = max(self._due + 1 / game.fps, time.perf_counter())
        self._listen()
        while self.paused and self.wish is None:
            self._due = time.perf_counter() + 0.05
            self._listen()
        self._held = self._keys.read(time.perf_counter())
        return game.controls.from_keys(self._held)

    def held(self) -> tuple[str, ...]:
        """The keys behind the last control."""
        return self._held

    def close(self) -> None:
        """Close the window."""
        self.cv2.destroyAllWindows()

    def _listen(self) -> None:
        """Note the presses until the next step is due."""
        while self.wish is None:
            left = self._due - time.perf_counter()
            pressed = self.cv2.waitKeyEx(max(1, int(1000 * left)))
            if pressed == -1 and left <= 0.001:
                if self.cv2.getWindowProperty(self.title, self.cv2.WND_PROP_VISIBLE) < 1:
                    self.wish = "quit"
                return
            self._note(pressed)

    def _note(self, pressed: int) -> None:
        command = COMMANDS.get(pressed & 0xFF if 0 <= pressed < 0x10000 else pressed)
        code = code_of(pressed)
        if command == "pause":
            self.paused = not self.paused
        elif command is not None:
            self.wish = command
        elif code is not None:
            self._keys.press(code, time.perf_counter())

    def _write(self, text: str, y: int, ink: tuple[int, int, int]) -> None:
        cv2, at = self.cv2, (8, self.size[1] + y)
        cv2.putText(self._picture, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.38, ink, 1, cv2.LINE_AA)

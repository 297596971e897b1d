"""A gamepad's buttons as keys and its right stick as the look, by SDL (pygame-ce)."""

import os
from typing import Any

from worldmodel.errors import UserError
from worldmodel.record.keys import PAD
from worldmodel.record.log import InputLog

PRESSED = 0.5  # of a stick's or trigger's way, from which it counts as a button
DEAD = 0.15  # of the right stick's way, below which it stands still
WAY = 32767.0
STICK = (("PadStickLeft", 0, -1), ("PadStickRight", 0, 1), ("PadStickUp", 1, -1),
         ("PadStickDown", 1, 1))  # fmt: skip


class Gamepad:
    """The first gamepad. Its right stick moves look_x and look_y by -1 to 1 a frame.

    Raises UserError when there is none that SDL knows.
    """

    def __init__(self, log: InputLog) -> None:
        os.environ.setdefault("SDL_JOYSTICK_ALLOW_BACKGROUND_EVENTS", "1")
        os.environ.setdefault("SDL_VIDEODRIVER", "dummy")  # no window of its own
        os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
        import pygame
        from pygame._sdl2 import controller

        self._pygame, self._controllers, self._log = pygame, controller, log
        pygame.init()
        controller.init()
        known = [i for i in range(controller.get_count()) if controller.is_controller(i)]
        if not known:
            self.close()
            raise UserError("there is no gamepad that SDL knows; connect one, or leave --gamepad")
        self._pad = controller.Controller(known[0])
        self._down: set[str] = set()

    def poll(self, at: float) -> None:
        """Log what has changed."""
        self._pygame.event.pump()
        down = {*self._buttons(), *self._stick()}
        for code in self._down - down:
            self._log.release(code, at)
        for code in (code for code in PAD if code in down - self._down):
            self._log.press(code, at)
        self._down = down

    def look(self, at: float) -> None:
        """Log where the right stick stands; once a frame."""
        ways = [self._axis(f"RIGHT{axis}") for axis in "XY"]
        dx, dy = (way if abs(way) > DEAD else 0.0 for way in ways)
        if dx or dy:
            self._log.move(dx, dy, at)

    def close(self) -> None:
        """Let go of it."""
        self._controllers.quit()
        self._pygame.quit()

    def _buttons(self) -> list[str]:
        named = self._names()
        held = [code for code, name in named.items() if self._pad.get_button(self._constant(name))]
        triggers = {"PadL2": "TRIGGERLEFT", "PadR2": "TRIGGERRIGHT"}
        return held + [code for code, name in triggers.items() if self._axis(name) > PRESSED]

    def _stick(self) -> list[str]:
        way = self._axis("LEFTX"), self._axis("LEFTY")
        return [code for code, axis, sign in STICK if sign * way[axis] > PRESSED]

    def _axis(self, name: str) -> float:
        return self._pad.get_axis(getattr(self._pygame, f"CONTROLLER_AXIS_{name}")) / WAY

    def _constant(self, name: str) -> Any:
        return getattr(self._pygame, f"CONTROLLER_BUTTON_{name}")

    @staticmethod
    def _names() -> dict[str, str]:
        return {
            "PadSouth": "A", "PadEast": "B", "PadWest": "X", "PadNorth": "Y",
            "PadL1": "LEFTSHOULDER", "PadR1": "RIGHTSHOULDER", "PadSelect": "BACK",
            "PadStart": "START", "PadL3": "LEFTSTICK", "PadR3": "RIGHTSTICK",
            "PadUp": "DPAD_UP", "PadDown": "DPAD_DOWN", "PadLeft": "DPAD_LEFT",
            "PadRight": "DPAD_RIGHT",
        }  # fmt: skip

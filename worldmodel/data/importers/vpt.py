"""OpenAI's VPT contractor recordings of Minecraft: an .mp4 and a .jsonl with a line a tick.

Published with github.com/openai/Video-Pre-Training: 20 ticks a second, line i holds what the
player did on seeing frame i, so it produced frame i + 1. What is known of these files and done
here: the attack button can be stuck from the first line on until it is pressed; the wheel changes
the hotbar without a key; while a menu is open the mouse moves a cursor that is not in the video, so
these stretches are left out; mouse or keyboard can be null where the recorder failed.
"""

from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

from worldmodel.data.importers.files import damaged, json_lines, number_in, shown
from worldmodel.data.importers.film import frames_of, probe
from worldmodel.data.importers.keys import MOUSE, code_of
from worldmodel.data.importers.record import Record, Recording
from worldmodel.data.importers.settings import Settings
from worldmodel.errors import UserError
from worldmodel.games.base import ControlSpace

TICKS = 20.0  # a second
MISSING = 20  # lines or frames that one of the files may lack at its end
_BUTTONS = {
    "KeyW": "forward", "KeyS": "back", "KeyA": "left", "KeyD": "right", "Space": "jump",
    "ShiftLeft": "sneak", "ControlLeft": "sprint", "Mouse0": "attack", "Mouse2": "use",
    "Mouse1": "pick_item", "KeyQ": "drop", "KeyE": "inventory", "KeyF": "swap_hands",
    **{f"Digit{slot}": f"hotbar_{slot}" for slot in range(1, 10)},
}  # fmt: skip
CONTROLS = ControlSpace(
    buttons=tuple(_BUTTONS.values()), axes=("look_x", "look_y"), keymap=_BUTTONS
)


def holds(source: Path) -> bool:
    """Whether a folder has a video with a .jsonl of the same name."""
    return any(video.with_suffix(".jsonl").is_file() for video in source.rglob("*.mp4"))


def recordings(source: Path, settings: Settings) -> list[Recording]:
    """Every video that has its actions beside it; raise UserError when there is none."""
    videos = sorted(source.rglob("*.mp4"))
    paired = [video for video in videos if video.with_suffix(".jsonl").is_file()]
    if not paired:
        raise UserError(f"{shown(source)} has no .mp4 with a .jsonl of the same name beside it.")
    found = settings.gather(paired, lambda video: _recording(video, settings))
    if found and len(paired) < len(videos):
        found[0].note(f"{len(videos) - len(paired)} videos without a .jsonl were left out")
    return found


def _recording(video: Path, settings: Settings) -> Recording:
    notes: list[str] = []
    return Recording(
        name=video.stem,
        # <alias>-<session>-<date>-<time>: the pieces of a session stay together
        group=video.stem.rsplit("-", 2)[0],
        source=video.name,
        fps=TICKS,
        gap=1.5 / TICKS,
        size=probe(video).size,
        records=lambda: _records(video, settings.keep_menus, notes),
        shift=1,
        controls=CONTROLS,
        game="minecraft",
        licence="MIT (openai/Video-Pre-Training)",
        notes=notes,
    )


def _records(video: Path, keep_menus: bool, notes: list[str]) -> Iterator[Record]:
    actions = video.with_suffix(".jsonl")
    ticks = Ticks(actions, keep_menus)
    frames = lines = 0
    for frame, line in zip_longest(frames_of(video), json_lines(actions)):
        frames, lines = frames + (frame is not None), lines + (line is not None)
        if abs(frames - lines) > MISSING:
            raise UserError(
                f"{shown(actions)} and {video.name} should have as many lines as frames, but one "
                f"ends at {min(frames, lines)} and the other goes on; leave the recording out with "
                f"--skip-damaged."
            )
        if frame is None or line is None:
            continue
        action = ticks.read(*line)
        if action is not None:
            keys, axes = action
            yield Record(picture=frame[1], time=(frames - 1) / TICKS, keys=keys, axes=axes)
    _tell(notes, ticks, frames, lines)


def _tell(notes: list[str], ticks: "Ticks", frames: int, lines: int) -> None:
    told = {
        f"{frames} frames and {lines} lines: the longer end was left out": frames != lines,
        f"{ticks.menus} ticks with an open menu were left out": ticks.menus,
        f"{ticks.null} ticks without mouse or keyboard were left out": ticks.null,
        f"attack was stuck for the first {ticks.stuck} ticks and is not counted": ticks.stuck,
    }
    notes += [sentence for sentence, true in told.items() if true and sentence not in notes]


class Ticks:
    """Reads the lines of a recording in their order and undoes what is known to be wrong."""

    def __init__(self, path: Path, keep_menus: bool) -> None:
        self.path, self.keep_menus = path, keep_menus
        self.menus = self.null = self.stuck = 0
        self._attack_stuck = False
        self._hotbar: int | None = None

    def read(
        self, number: int, line: dict[str, Any]
    ) -> tuple[tuple[str, ...], dict[str, float]] | None:
        """Return keys and axes of a tick, None for one that says nothing of the game.

        Raises UserError, naming file and line, when a part is missing or of another kind.
        """
        mouse, keyboard = line.get("mouse"), line.get("keyboard")
        hotbar = self._turned(line.get("hotbar"))
        if mouse is None or keyboard is None:
            self.null += 1
            return None
        try:
            keys = [code for code in map(code_of, keyboard["keys"]) if code]
            buttons = self._unstuck(number, mouse["buttons"], mouse.get("newButtons", []))
            clicks = [MOUSE[button] for button in buttons if 0 <= button < 3]
            moved = {"look_x": mouse["dx"], "look_y": mouse["dy"]}
        except (KeyError, TypeError, AttributeError) as error:
            raise damaged(self.path, number, f"a tick of VPT ({error!r:.60})") from error
        axes = {name: number_in(self.path, number, name, value) for name, value in moved.items()}
        if line.get("isGuiOpen"):
            self.menus += 1
            return (tuple(keys), {}) if self.keep_menus else None
        return tuple(dict.fromkeys([*keys, *clicks, *hotbar])), axes

    def _unstuck(self, number: int, buttons: list[int], fresh: list[int]) -> list[int]:
        """The buttons without an attack that has been down since before the recording."""
        if number == 1:
            self._attack_stuck = fresh == [0] or (0 in buttons and 0 not in fresh)
        elif 0 in fresh or 0 not in buttons:
            self._attack_stuck = False
        if self._attack_stuck:
            self.stuck += 1
            return [button for button in buttons if button != 0]
        return buttons

    def _turned(self, hotbar: object) -> list[str]:
        """The key of a slot that has been chosen since the last tick, by wheel or by key."""
        before, self._hotbar = self._hotbar, hotbar if isinstance(hotbar, int) else self._hotbar
        if before is None or self._hotbar == before or not 0 <= self._hotbar <= 8:
            return []
        return [f"Digit{self._hotbar + 1}"]

"""What to record and how, checked before anything begins."""

from dataclasses import dataclass
from pathlib import Path

from worldmodel.errors import UserError
from worldmodel.record.keys import check_code, read_keymap


@dataclass(frozen=True, kw_only=True)
class DesktopConfig:
    """What to record and how; `size` is (height, width) of the stored frames, times in seconds.

    `keys` are pairs like "KeyW=forward"; without them every key that is pressed becomes a button.
    `latency` is the time from a key to its effect on the screen, in milliseconds.
    """

    window: str | None = None
    region: tuple[int, int, int, int] | None = None
    monitor: int = 1
    size: tuple[int, int] = (96, 128)
    fps: float = 20.0
    crop: bool = False
    keys: str | None = None
    mouse: bool = False
    gamepad: bool = False
    latency: float = 0.0
    skip_idle: float | None = None
    longest: float = 120.0
    split: str = "auto"
    name: str | None = None
    licence: str = "not stated"
    hotkeys: tuple[str, ...] = ("F9", "F10", "F8")
    now: bool = False
    seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class GameConfig:
    """A game by its name or a world by its folder, and who plays it.

    `size` is (height, width) of a game's frames; a world has its own. `frames` ends an episode of
    a player program, `seconds` of the game the whole recording.
    """

    game: str | None = None
    world: Path | None = None
    player: str = "person"
    episodes: int | None = None
    frames: int = 600
    seed: int = 0
    scene: str | None = None
    scale: int = 5
    device: str = "cpu"
    speed: str = "auto"
    size: tuple[int, int] = (96, 128)
    longest: float = 120.0
    split: str = "auto"
    seconds: float | None = None


def check(config: DesktopConfig) -> None:
    """Raise UserError for settings that cannot be."""
    if config.window is not None and config.region is not None:
        raise UserError("--window and --region were both given; choose one")
    if config.mouse and config.gamepad:
        raise UserError("--mouse and --gamepad both turn the view; choose one")
    if not 1 <= config.fps <= 240 or not all(16 <= side <= 4096 for side in config.size):
        raise UserError(
            f"frames should have 16 to 4096 pixels to a side and come 1 to 240 times a second, "
            f"but --size {config.size[0]} {config.size[1]} and --fps {config.fps:g} were given"
        )
    if config.latency < 0 or (config.seconds is not None and config.seconds <= 0):
        raise UserError("--latency and --seconds are times, and cannot be negative")
    taken = {check_code(code) for code in config.hotkeys}
    if len(taken) != 3 or len(config.hotkeys) != 3:
        raise UserError("--hotkeys needs three different keys: begin and pause, end, throw away")
    both = taken & set(read_keymap(config.keys).keymap) if config.keys is not None else set()
    if both:
        raise UserError(
            f"{sorted(both)[0]} is a hotkey of the recorder and one of --keys; choose other "
            "--hotkeys"
        )

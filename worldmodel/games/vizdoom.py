"""ViZDoom scenarios as a Game: Doom's engine with the free Freedoom art, headless."""

import os
import tempfile
from contextlib import chdir
from functools import cache
from typing import Any, Self

import numpy as np

from worldmodel.errors import UserError
from worldmodel.games.base import ControlSpace
from worldmodel.games.downscale import box_mean

TICS_PER_STEP = 2
TICS_PER_SECOND = 35
LENS = 0.5, 0.6  # 90 degrees across; 200 lines are drawn as high as 240

# our button -> ViZDoom's name
BUTTONS = {
    "forward": "MOVE_FORWARD",
    "backward": "MOVE_BACKWARD",
    "strafe_left": "MOVE_LEFT",
    "strafe_right": "MOVE_RIGHT",
    "turn_left": "TURN_LEFT",
    "turn_right": "TURN_RIGHT",
}
CONTROLS = ControlSpace(
    buttons=tuple(BUTTONS),
    keymap={
        "KeyW": "forward",
        "ArrowUp": "forward",
        "KeyS": "backward",
        "ArrowDown": "backward",
        "KeyA": "strafe_left",
        "KeyD": "strafe_right",
        "ArrowLeft": "turn_left",
        "KeyQ": "turn_left",
        "ArrowRight": "turn_right",
        "KeyE": "turn_right",
    },
    opposites=(
        ("forward", "backward"),
        ("strafe_left", "strafe_right"),
        ("turn_left", "turn_right"),
    ),
)
# those of ViZDoom's that one player can play without files of his own
SCENARIOS = (
    "basic",
    "deadly_corridor",
    "deathmatch",
    "defend_the_center",
    "defend_the_line",
    "health_gathering",
    "health_gathering_supreme",
    "my_way_home",
    "predict_position",
    "take_cover",
)
# the engine's 4:3 widths
WIDTHS = (160, 200, 320, 400, 512, 640, 800, 1024, 1280, 1400, 1600)


class VizDoom:
    """One scenario of ViZDoom at 17.5 steps a second, without weapon, crosshair or status bar.

    `size` is (height, width), 4:3. Raises UserError when ViZDoom is not installed, the scenario
    is unknown or the size is not 4:3.
    """

    controls = CONTROLS
    fps = TICS_PER_SECOND / TICS_PER_STEP
    licence = "Freedoom art BSD-3-Clause; ViZDoom scenario MIT"

    def __init__(self, scenario: str = "my_way_home", size: tuple[int, int] = (96, 128)) -> None:
        self.name = f"vizdoom/{scenario}"
        self.scenario = scenario
        self.size = size
        self.done = True
        self._frame: np.ndarray | None = None
        doom = _configure(scenario, render_width(size))
        self._home = tempfile.TemporaryDirectory(prefix="vizdoom-")
        self._doom: Any = _start(doom, self._home.name)

    def reset(self, seed: int) -> np.ndarray:
        """Begin the episode of this seed (0 to 2^31 - 1); return its frame, uint8 [h w 3]."""
        self._doom.set_seed(seed)
        self._doom.new_episode()
        self.done = False
        self._frame = self._picture()
        return self._frame.copy()

    def step(self, controls: np.ndarray) -> np.ndarray:
        """Hold the buttons of float32 [6] for two tics; return the frame, uint8 [h w 3].

        Raises ValueError when the episode is over.
        """
        if self.done or self._frame is None:
            raise ValueError("The episode is over; call reset(seed) before the next step.")
        self._doom.make_action([float(value > 0.5) for value in controls], TICS_PER_STEP)
        self.done = self._doom.is_episode_finished()
        if not self.done:
            self._frame = self._picture()
        return self._frame.copy()

    @property
    def pose(self) -> tuple[float, float, float]:
        """Position in map units and view angle in degrees, counter-clockwise from east."""
        if self.done:
            raise ValueError("The episode is over; call reset(seed) before asking for the pose.")
        x, y, angle, _ = self._doom.get_state().game_variables
        return float(x), float(y), float(angle)

    @property
    def eye(self) -> float:
        """Height of the player's eye in map units, which bobs as he walks."""
        if self.done:
            raise ValueError("The episode is over; call reset(seed) before asking for the eye.")
        return float(self._doom.get_state().game_variables[3])

    @property
    def walls(self) -> np.ndarray:
        """float32 [n 4]: x1, y1, x2, y2 of the lines that block the player, in map units."""
        return survey(self.scenario)[0]

    @property
    def items(self) -> np.ndarray:
        """float32 [n 2]: where things lie that can be picked up, in map units."""
        return survey(self.scenario)[1]

    @property
    def heights(self) -> np.ndarray:
        """float32 [n 2]: the floor and the ceiling of each part of the map, in map units."""
        return survey(self.scenario)[2]

    @property
    def lens(self) -> tuple[float, float]:
        """Focal lengths across and down, in widths of a picture; Doom's pixels are not square."""
        return LENS

    def close(self) -> None:
        """Stop Doom's process."""
        self._doom.close()
        self._home.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _picture(self) -> np.ndarray:
        return box_mean(self._doom.get_state().screen_buffer, self.size)


def render_width(size: tuple[int, int]) -> int:
    """Return the width to render at for frames of (height, width).

    The smallest of the engine's 4:3 widths that is a multiple of the frame's, so that the mean is
    exact; where there is none, the smallest of at least 2.5 times the frame's.
    """
    height, width = size
    if height * 4 != width * 3 or width < 4 or width * 2 > WIDTHS[-1]:
        raise UserError(
            f"Doom frames are 4:3 and at most {WIDTHS[-1] // 2} wide, but {width}x{height} was "
            f"asked for; choose for example 128x96, 192x144 or 256x192."
        )
    multiples = [w for w in WIDTHS if w % width == 0 and w >= 2 * width]
    large = [w for w in WIDTHS if w >= 2.5 * width]
    return (multiples or large or [WIDTHS[-1]])[0]


@cache
def survey(scenario: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the walls, float32 [n 4], the items, float32 [m 2], and the floors and ceilings,
    float32 [k 2], of a scenario's map.

    Asks a short-lived engine of its own, because telling them slows every step tenfold.
    """
    doom = _configure(scenario, WIDTHS[0])
    doom.set_sectors_info_enabled(True)
    doom.set_objects_info_enabled(True)
    with tempfile.TemporaryDirectory(prefix="vizdoom-") as home:
        _start(doom, home)
        state = doom.get_state()
        lines = [line for sector in state.sectors for line in sector.lines if line.is_blocking]
        walls = [(line.x1, line.y1, line.x2, line.y2) for line in lines]
        items = [(o.position_x, o.position_y) for o in state.objects if o.name != "DoomPlayer"]
        heights = [(sector.floor_height, sector.ceiling_height) for sector in state.sectors]
        doom.close()
    told = (walls, 4), (items, 2), (heights, 2)
    return tuple(np.array(each, np.float32).reshape(-1, size) for each, size in told)


def _vizdoom() -> Any:
    try:
        import vizdoom
    except ImportError as error:
        raise UserError(
            "This needs the game engine ViZDoom, which is not installed; run "
            'pip install "worldmodel[train]".'
        ) from error
    return vizdoom


def _configure(scenario: str, width: int) -> Any:
    if scenario not in SCENARIOS:
        raise UserError(
            f"There is no Doom scenario {scenario!r}; choose one of {', '.join(SCENARIOS)}."
        )
    vizdoom = _vizdoom()
    doom = vizdoom.DoomGame()
    doom.load_config(os.path.join(vizdoom.scenarios_path, f"{scenario}.cfg"))
    _hide(doom)
    variables = ("POSITION_X", "POSITION_Y", "ANGLE", "CAMERA_POSITION_Z")
    doom.set_available_buttons([getattr(vizdoom.Button, name) for name in BUTTONS.values()])
    doom.set_available_game_variables([getattr(vizdoom.GameVariable, n) for n in variables])
    resolution = getattr(vizdoom.ScreenResolution, f"RES_{width}X{width * 3 // 4}")
    doom.set_screen_resolution(resolution)
    doom.set_screen_format(vizdoom.ScreenFormat.RGB24)
    doom.set_mode(vizdoom.Mode.PLAYER)
    doom.set_episode_timeout(0)  # never
    return doom


def _start(doom: Any, home: str) -> Any:
    """Start the engine's process, with the files that it writes in the folder `home`."""
    doom.set_doom_config_path(os.path.join(home, "vizdoom.ini"))
    doom.set_seed(0)
    with chdir(home):  # the engine makes a folder where it starts; two at once would collide
        doom.init()
    return doom


def _hide(doom: Any) -> None:
    doom.set_window_visible(False)
    doom.set_sound_enabled(False)
    doom.set_render_hud(False)
    doom.set_render_weapon(False)
    doom.set_render_crosshair(False)
    doom.set_render_messages(False)

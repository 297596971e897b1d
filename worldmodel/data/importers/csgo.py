"""The CS:GO set of Pearce and Zhu (arXiv 2104.04258) that DIAMOND trained on: hdf5 files.

`hdf5_dm_july2021_*.hdf5` hold `frame_i_x` (uint8 [150 280 3], blue first) and `frame_i_y` (51
numbers: w a s d space ctrl shift 1 2 3 r, left and right click, one of 23 values of mouse x and of
15 of mouse y), 16 a second, 1000 a file. The authors and DIAMOND take y of frame i as what is done
on seeing frame i, so it produced frame i + 1; so does this importer. But in the files scraped from
spectators, keys and mouse were inferred from the change of speed and view between the readings
i - 1 and i, which follow their frames by some milliseconds; what fits best can be looked at with
`worldmodel doctor` and changed with --shift.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from worldmodel.data.importers.files import shown
from worldmodel.data.importers.record import Record, Recording
from worldmodel.data.importers.settings import Settings
from worldmodel.errors import UserError
from worldmodel.games.base import ControlSpace

if TYPE_CHECKING:
    import h5py

FPS = 16.0
LARGEST = 4096  # pixels to a side
MOUSE_X = (
    *(-1000, -500, -300, -200, -100, -60, -30, -20, -10, -4, -2, 0),
    *(2, 4, 10, 20, 30, 60, 100, 200, 300, 500, 1000),
)
MOUSE_Y = (-200, -100, -50, -20, -10, -4, -2, 0, 2, 4, 10, 20, 50, 100, 200)
_BUTTONS = {
    "KeyW": "forward", "KeyA": "left", "KeyS": "back", "KeyD": "right", "Space": "jump",
    "ControlLeft": "crouch", "ShiftLeft": "walk", "Digit1": "weapon_1", "Digit2": "weapon_2",
    "Digit3": "weapon_3", "KeyR": "reload", "Mouse0": "fire", "Mouse2": "zoom",
}  # fmt: skip
KEYS = tuple(_BUTTONS)
CONTROLS = ControlSpace(
    buttons=tuple(_BUTTONS.values()), axes=("look_x", "look_y"), keymap=_BUTTONS
)
WIDTH = len(KEYS) + len(MOUSE_X) + len(MOUSE_Y)


def holds(source: Path) -> bool:
    """Whether there is an .hdf5 file."""
    return any(source.rglob("*.hdf5"))


def recordings(source: Path, settings: Settings) -> list[Recording]:
    """Every .hdf5 file; those named in a test_split.txt beside them (DIAMOND's) are held out."""
    files = sorted(source.rglob("*.hdf5"))
    if not files:
        raise UserError(f"{shown(source)} has no .hdf5 file in it.")
    split = source / "test_split.txt"
    named = set(split.read_text(encoding="utf-8").split()) if split.is_file() else None
    return settings.gather(
        files, lambda path: _recording(path, None if named is None else path.name in named)
    )


def _recording(path: Path, heldout: bool | None) -> Recording:
    with _opened(path) as file:
        size = _first(path, file).shape[:2]
    return Recording(
        name=path.stem,
        group=path.stem,
        source=path.name,
        fps=FPS,
        gap=1.5 / FPS,
        size=(int(size[0]), int(size[1])),
        records=lambda: _records(path),
        shift=1,
        controls=CONTROLS,
        game="csgo",
        licence="MIT (TeaPearce/Counter-Strike_Behavioural_Cloning)",
        heldout=heldout,
    )


def _opened(path: Path) -> "h5py.File":
    import h5py

    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: object) -> UserError:
    return UserError(
        f"{shown(path)} should be an HDF5 file of frames and keys but cannot be read "
        f"({error!s:.80}); restore it, or leave the recording out with --skip-damaged."
    )


def _first(path: Path, file: "h5py.File") -> "h5py.Dataset":
    import h5py

    first = file.get("frame_0_x")
    if (
        not isinstance(first, h5py.Dataset)
        or first.ndim != 3
        or first.shape[2] != 3
        or max(first.shape) > LARGEST
        or first.dtype != np.uint8
    ):
        raise _unreadable(path, "frame_0_x should be uint8 [h w 3]")
    return first


def _records(path: Path) -> Iterator[Record]:
    with _opened(path) as file:
        shape = _first(path, file).shape
        count = sum(name.startswith("frame_") and name.endswith("_x") for name in file)
        for index in range(count):
            try:
                picture, action = file[f"frame_{index}_x"], file[f"frame_{index}_y"]
                if picture.shape != shape or action.shape != (WIDTH,):
                    raise ValueError(f"shapes {picture.shape} and {action.shape}")
                frame, vector = picture[:], action[:]
            except (KeyError, OSError, ValueError, AttributeError) as error:
                raise _unreadable(path, f"frame {index} of {count}: {error}") from error
            keys, axes = decode(path, index, vector)
            yield Record(picture=partial(_rgb, frame), time=index / FPS, keys=keys, axes=axes)


def decode(path: Path, index: int, vector: np.ndarray) -> tuple[tuple[str, ...], dict[str, float]]:
    """Return the keys and the mouse's counts in a `frame_i_y`; raise UserError for no action."""
    parts = np.split(vector, [len(KEYS), len(KEYS) + len(MOUSE_X)])
    if not np.isfinite(vector).all() or parts[1].sum() != 1 or parts[2].sum() != 1:
        raise _unreadable(path, f"frame_{index}_y is no action")
    keys = tuple(key for key, down in zip(KEYS, parts[0], strict=True) if down > 0.5)
    x, y = MOUSE_X[int(parts[1].argmax())], MOUSE_Y[int(parts[2].argmax())]
    return keys, {"look_x": float(x), "look_y": float(y)}


def _rgb(frame: np.ndarray) -> np.ndarray:
    return frame[:, :, ::-1]

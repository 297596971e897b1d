"""Opening scenes: the few real frames that a dream starts from."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from worldmodel.errors import UserError
from worldmodel.games.base import ControlSpace

STILL = 4  # frames of a scene that is made of one picture


@dataclass(frozen=True)
class Scene:
    """Frames uint8 [t h w 3], the last of which is where play begins, and controls float32 [t k].

    controls[i] produced frames[i].
    """

    name: str
    title: str
    frames: np.ndarray
    controls: np.ndarray


def load_scenes(folder: Path, size: tuple[int, int], controls: ControlSpace) -> tuple[Scene, ...]:
    """The scenes of a world, each an Episode in `folder`, by name; none if there is no folder.

    Raises UserError when one is damaged, or has another size or other buttons than the world.
    """
    folders = sorted(f for f in folder.iterdir() if f.is_dir()) if folder.is_dir() else []
    return tuple(_load(f, size, controls) for f in folders if not f.name.startswith("."))


def _load(folder: Path, size: tuple[int, int], controls: ControlSpace) -> Scene:
    from worldmodel.data.episode import load_episode  # brings PyAV: see `window.windows`

    episode = load_episode(folder)
    if episode.meta.size != size:
        (h, w), found = size, episode.meta.size
        raise UserError(
            f"the scene {folder} should have frames of {w}x{h} as its world has, found "
            f"{found[1]}x{found[0]}; write the scenes again"
        )
    has = episode.meta.controls
    if (has.buttons, has.axes) != (controls.buttons, controls.axes):
        raise UserError(
            f"the scene {folder} has the controls {(*has.buttons, *has.axes)}, its world has "
            f"{(*controls.buttons, *controls.axes)}; write the scenes again"
        )
    title = folder.name.replace("-", " ").replace("_", " ").capitalize()
    return Scene(folder.name, title, episode.frames, episode.controls)


def scene_from_picture(picture: np.ndarray, size: tuple[int, int], controls: int) -> Scene:
    """A still scene of `size` (height, width) from any picture uint8 [H W 3], with no key held.

    The middle of the picture is kept. Raises UserError when it is no such array.
    """
    good = isinstance(picture, np.ndarray) and picture.dtype == np.uint8
    if not good or picture.ndim != 3 or picture.shape[2] != 3 or min(picture.shape[:2]) < 1:
        found = f"{getattr(picture, 'dtype', type(picture).__name__)} "
        found += f"{list(getattr(picture, 'shape', ()))}"
        raise UserError(f"a picture must be uint8 [height width 3], found {found}; convert it")
    frame = fit(picture, size)
    frames = np.repeat(frame[None], STILL, axis=0)
    return Scene("own-picture", "Own picture", frames, np.zeros((STILL, controls), np.float32))


def blank(size: tuple[int, int], controls: int) -> Scene:
    """A grey still of `size` (height, width), for trials of a world without scenes."""
    frames = np.full((STILL, *size, 3), 128, np.uint8)
    return Scene("blank", "Blank", frames, np.zeros((STILL, controls), np.float32))


def fit(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The largest middle part of uint8 [H W 3] that has the aspect of `size`, resized to it."""
    (height, width), (h, w) = picture.shape[:2], size
    scale = min(height / h, width / w)
    top, left = (height - h * scale) / 2, (width - w * scale) / 2
    box = (left, top, left + w * scale, top + h * scale)
    resized = Image.fromarray(picture).resize((w, h), Image.Resampling.LANCZOS, box=box)
    return np.asarray(resized)

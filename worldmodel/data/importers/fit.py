"""Pictures of any size, brought to the size of an episode."""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageOps

from worldmodel.errors import UserError

SMOOTH = Image.Resampling.BOX  # averages what falls into a pixel
Fit = Callable[[Image.Image, tuple[int, int]], Image.Image]


def _crop(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    return ImageOps.fit(picture, size, SMOOTH)


def _letterbox(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    return ImageOps.pad(picture, size, SMOOTH, color="black")


def _stretch(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    return picture.resize(size, SMOOTH)


FITS: dict[str, Fit] = {"crop": _crop, "letterbox": _letterbox, "stretch": _stretch}


def fit(picture: np.ndarray, size: tuple[int, int], how: str) -> np.ndarray:
    """Return uint8 [height width 3] of uint8 [h w 3].

    `crop` fills the size and cuts what stands over, evenly on both sides; `letterbox` shows
    everything between black bars; `stretch` ignores the shape. Raises UserError for another word.
    """
    if how not in FITS:
        raise UserError(f"Pictures can be fitted by {', '.join(FITS)}, but {how!r} was asked for.")
    height, width = size
    return np.asarray(FITS[how](Image.fromarray(np.ascontiguousarray(picture)), (width, height)))

"""Frames out as JPEG, and a player's own picture in."""

import base64
import io

import numpy as np
from PIL import Image, ImageOps

from worldmodel.errors import UserError

SHARP_UP_TO = 256  # pixels of the longer side
LONGEST_SIDE = 1024
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")


class PictureError(UserError):
    """What was given is no picture that can become a scene."""


def jpeg(frame: np.ndarray) -> bytes:
    """A frame uint8 [h w 3] as JPEG: quality 90 in full colour, or 85 above 256 pixels."""
    sharp = max(frame.shape[:2]) <= SHARP_UP_TO
    out = io.BytesIO()
    picture = Image.fromarray(frame)
    picture.save(out, "JPEG", quality=90 if sharp else 85, subsampling=0 if sharp else 2)
    return out.getvalue()


def data_uri(frame: np.ndarray) -> str:
    """A frame as the `src` of an image."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg(frame)).decode()


def decode_picture(data: bytes, most_pixels: int) -> np.ndarray:
    """A player's file as uint8 [H W 3], upright, its longer side at most 1024 pixels.

    Raises PictureError when the file is no JPEG, PNG, WebP, GIF or BMP, is cut off, is too
    small to mean anything, or would unpack to more than `most_pixels`.
    """
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as picture:
            width, height = picture.size
            if width * height > most_pixels:
                raise PictureError(
                    f"The picture has {width}x{height} pixels, more than the "
                    f"{most_pixels // 1_000_000} million allowed; make it smaller first."
                )
            if min(width, height) < 16:
                raise PictureError(
                    f"The picture has {width}x{height} pixels, too few to start a world from; "
                    "choose one of at least 16x16."
                )
            picture.draft("RGB", (LONGEST_SIDE, LONGEST_SIDE))
            upright = ImageOps.exif_transpose(picture).convert("RGB")
    except PictureError:
        raise
    except Exception:  # Pillow raises many kinds on damaged files, all meaning the same here
        raise PictureError(
            "This file is not a picture that can be read; choose a JPEG, PNG, WebP, GIF or BMP."
        ) from None
    upright.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
    return np.asarray(upright)

"""Contact sheets: frames side by side in a PNG."""

from pathlib import Path

import numpy as np
from einops import rearrange
from PIL import Image


def save_sheet(rows: list[np.ndarray], path: Path, scale: int = 1) -> None:
    """Write rows of frames (each uint8 [t H W 3], equal t) one under the other."""
    sheet = rearrange(np.stack(rows), "r t h w c -> (r h) (t w) c")
    sheet = sheet.repeat(scale, axis=0).repeat(scale, axis=1)
    partial = path.with_suffix(".partial.png")
    Image.fromarray(sheet).save(partial)
    partial.replace(path)


def save_film(frames: np.ndarray, path: Path, fps: float) -> None:
    """Write frames uint8 [t H W 3] as a GIF that repeats; it plays wherever a picture is shown."""
    pictures = [Image.fromarray(frame) for frame in frames]
    partial = path.with_suffix(".partial.gif")
    pause = round(1000 / fps)  # milliseconds
    pictures[0].save(partial, save_all=True, append_images=pictures[1:], duration=pause, loop=0)
    partial.replace(path)

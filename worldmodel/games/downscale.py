"""Anti-aliasing: render large, keep the mean of the pixels that fall into each small one."""

from functools import cache

import numpy as np


def box_mean(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Reduce uint8 [H W 3] to uint8 [h w 3] by the area mean, rounded half up.

    Exact in integers when H and W are multiples of h and w; otherwise pixels on a border count
    in proportion to the area that lies inside.
    """
    height, width = size
    if picture.shape[:2] == size:
        return picture.copy()
    if picture.shape[0] % height or picture.shape[1] % width:
        return _fractional(picture, size)
    rows, columns = picture.shape[0] // height, picture.shape[1] // width
    area = rows * columns
    kind = np.uint16 if area * 255 + area // 2 < 2**16 else np.uint32
    tall = _sum_blocks(picture.reshape(height, rows, -1), kind)  # h, W*3
    total = _sum_blocks(tall.reshape(height * width, columns, 3), kind)  # h*w, 3
    return ((total + area // 2) // area).astype(np.uint8).reshape(height, width, 3)


def _sum_blocks(blocks: np.ndarray, kind: type) -> np.ndarray:
    """Sum [a n b] over n; a loop of additions is faster than a reduction over a short axis."""
    total = blocks[:, 0].astype(kind)
    for index in range(1, blocks.shape[1]):
        total += blocks[:, index]
    return total


def _fractional(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    rows = _overlaps(picture.shape[0], size[0])
    columns = _overlaps(picture.shape[1], size[1])
    tall = rows @ picture.reshape(picture.shape[0], -1).astype(np.float32)  # h, W*3
    tall = tall.reshape(size[0], picture.shape[1], 3)
    return (columns @ tall + 0.5).astype(np.uint8)  # h, w, 3


@cache
def _overlaps(large: int, small: int) -> np.ndarray:
    """float32 [small large]: the share of each small pixel that each large pixel covers."""
    edges = np.arange(small + 1) * (large / small)
    left, right = edges[:-1, None], edges[1:, None]
    pixel = np.arange(large)[None, :]
    inside = np.minimum(right, pixel + 1) - np.maximum(left, pixel)
    return (np.clip(inside, 0, None) * (small / large)).astype(np.float32)

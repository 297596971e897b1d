"""How the picture moves from frame to frame, block by block, on pictures a few dozen cells wide.

t frames, h w cells of a small picture, b blocks
"""

import numpy as np

WIDEST = 32  # cells
BLOCKS = (3, 4)  # down, across
GREY = np.array([0.299, 0.587, 0.114], np.float32)
FLOOR = 4.0  # squared grey levels: blocks with less texture are taken to stand still


def grid_of(size: tuple[int, int]) -> tuple[int, int]:
    """Return the (height, width) in cells of the small pictures of frames of a size."""
    scale = min(1.0, WIDEST / max(size))
    return tuple(max(min(n, 8), round(n * scale)) for n in size)


def shrink(frames: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """Return small pictures, float32 [t h w 3] in 0 to 255, each cell the mean of the pixels below,
    of uint8 [t H W 3]."""
    t, height, width, _ = frames.shape
    across = np.kron(_averaging(width, grid[1]), np.eye(3, dtype=np.float32))  # W 3, w 3
    rows = frames.reshape(t * height, width * 3).astype(np.float32) @ across
    small = np.matmul(_averaging(height, grid[0]).T, rows.reshape(t, height, -1))
    return small.reshape(t, *grid, 3)


def grey(pictures: np.ndarray) -> np.ndarray:
    """Return the brightness, float32 [...], of pictures [... 3]."""
    return pictures @ GREY


def _averaging(length: int, cells: int) -> np.ndarray:
    """float32 [length cells]: the share of each pixel in each cell's mean."""
    edges = np.linspace(0, length, cells + 1)
    start, stop = edges[:-1], edges[1:]
    pixel = np.arange(length)[:, None]
    overlap = np.minimum(pixel + 1, stop) - np.maximum(pixel, start)
    return (np.maximum(overlap, 0) / (stop - start)).astype(np.float32)


def image_flow(small: np.ndarray) -> np.ndarray:
    """Return each block's movement since the frame before, float32 [t-1, 2 b], in cells.

    Lucas and Kanade 1981, one step on the mean of both pictures: right is positive, then down.
    Far movements are underestimated, in the right direction.
    """
    mean, change = (small[1:] + small[:-1]) / 2, np.diff(small, axis=0)
    down, across = np.gradient(mean, axis=(1, 2))
    xx, xy, yy, xt, yt = (
        _block_means(a * b)
        for a, b in (
            (across, across),
            (across, down),
            (down, down),
            (across, change),
            (down, change),
        )
    )
    xx, yy = xx + FLOOR, yy + FLOOR
    flow = np.stack([xy * yt - yy * xt, xy * xt - xx * yt]) / (xx * yy - xy * xy)
    return np.concatenate(list(flow), axis=1)


def block_change(small: np.ndarray) -> np.ndarray:
    """Return each block's mean absolute change since the frame before, float32 [t-1, b]."""
    return _block_means(np.abs(np.diff(small, axis=0)))


def _block_means(cells: np.ndarray) -> np.ndarray:
    """float32 [t b] of [t h w]."""
    down, across = (_averaging(n, min(b, n)) for n, b in zip(cells.shape[1:], BLOCKS, strict=True))
    return np.matmul(down.T, np.matmul(cells, across)).reshape(len(cells), -1)

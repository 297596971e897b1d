"""Panoramas: what an episode shows of its level, put together to one picture.

A level that scrolls past is seen piece by piece. Each piece is put where it fits best to what is
there already, near the place that the picture's way since the last one tells; where it fits nowhere
there, as the player has begun the level anew, it is looked for in all of what was put together, and
at last begins a panorama of its own. A picture that does not scroll as one piece ends as panoramas
of a frame or a few. Stitching by what overlaps is old (Szeliski, Image alignment and stitching,
2006); here a picture can only be shifted.
Shapes: t frames, H W pixels of a frame, H' W' of a panorama.
"""

from collections.abc import Sequence

import numpy as np
import torch

STEP, PATIENCE = 12, 8  # pixels, and frames, after which a picture is put in place
REACH = 3  # pixels by which the way that is measured may be off
COARSE = 4  # pixels to the side of what counts as one when it is looked for everywhere
FITS = 0.08  # root mean square difference of brightness: what fits less is elsewhere
ENOUGH = 0.3  # share of a frame by which it is placed
REMEMBERED = 4  # panoramas of an episode in which a frame is looked for
FEW = 3  # frames: what is put together from fewer is left out, if there is more


class Canvas:
    """Frames [H W 3] in 0..1 put together, of which `clear` [H W] says what is to be seen."""

    def __init__(self, frame: np.ndarray, clear: np.ndarray) -> None:
        self.colours = np.where(clear[..., None], frame, 0).astype(np.float32)
        self.seen = clear.astype(np.float32)  # [H' W']
        self.clear, self.frames = clear, 1

    def put(self, frame: np.ndarray, at: np.ndarray) -> np.ndarray:
        """Add a frame whose upper left corner lies `at` x and y; where that is, afterwards."""
        size = np.array(frame.shape[1::-1])
        before = np.maximum(-at, 0)
        after = np.maximum(at + size - np.array(self.seen.shape[::-1]), 0)
        sides = tuple((int(a), int(b)) for a, b in zip(before, after, strict=True))[::-1]
        self.colours = np.pad(self.colours, (*sides, (0, 0)))
        self.seen = np.pad(self.seen, sides)
        x, y = at + before
        place = slice(y, y + size[1]), slice(x, x + size[0])
        new = self.clear & (self.seen[place] == 0)
        self.colours[place][new], self.seen[place][new] = frame[new], 1
        self.frames += 1
        return at + before

    def near(self, frame: np.ndarray, at: np.ndarray, reach: int) -> tuple[float, np.ndarray]:
        """How well a frame fits in at best (see `misfit`), within so many pixels of `at`, and
        where."""
        size = np.array(frame.shape[1::-1])
        whole = np.array(self.seen.shape[::-1])
        corner = np.clip(at - reach, -size - 2 * reach, whole)  # a way may be measured anyhow
        ends = corner + size + 2 * reach, whole
        first, last = np.clip(corner, 0, ends[1]), np.clip(ends[0], 0, ends[1])
        inside = slice(first[1], last[1]), slice(first[0], last[0])
        sides = tuple(zip(first - corner, ends[0] - last, strict=True))[::-1]
        colours = np.pad(self.colours[inside], (*sides, (0, 0)))
        found = misfit(colours, np.pad(self.seen[inside], sides), frame, self.clear)
        y, x = np.unravel_index(found.argmin(), found.shape)
        return float(found[y, x]), corner + np.array([x, y])

    def anywhere(self, frame: np.ndarray) -> tuple[float, np.ndarray]:
        """The same, wherever enough of it overlaps."""
        half = np.array(frame.shape[:2]) // 2 // COARSE * COARSE
        sides = tuple((int(n), int(n + -size % COARSE)) for n, size in zip(
            half, self.seen.shape, strict=True
        ))  # fmt: skip
        colours, seen = np.pad(self.colours, (*sides, (0, 0))), np.pad(self.seen, sides)
        found = misfit(smaller(colours), smaller(seen), smaller(frame), smaller(self.clear))
        y, x = np.unravel_index(found.argmin(), found.shape)
        return self.near(frame, COARSE * np.array([x, y]) - half[::-1], COARSE)

    def panorama(self) -> np.ndarray:
        """uint8 [H' W' 4], with half a frame more at each side: colours, and 255 where they were
        seen; where they were not, they are those seen nearest in the same row, or in the nearest
        row: walls, floors and skies go on beside what was seen."""
        down, aside = (n // 2 for n in self.clear.shape)
        seen = np.pad(self.seen, ((down, down), (aside, aside))) > 0
        colours = np.pad(self.colours, ((down, down), (aside, aside), (0, 0)))
        found = np.take_along_axis(colours, nearest(seen)[..., None], axis=1)
        rows = nearest(seen.any(axis=1)[None])[0]
        return (np.dstack([found[rows], seen]) * 255).round().astype(np.uint8)


def nearest(there: np.ndarray) -> np.ndarray:
    """For each place [... n] the nearest of its row that is `there`, as an index; 0 where none
    is."""
    places = np.arange(there.shape[-1])
    before = np.maximum.accumulate(np.where(there, places, -len(places)), axis=-1)
    after = np.where(there, places, 2 * len(places))[..., ::-1]
    after = np.minimum.accumulate(after, axis=-1)[..., ::-1]
    found = np.where(places - before <= after - places, before, after)
    return np.where(there.any(axis=-1, keepdims=True), found, 0)


def misfit(
    colours: np.ndarray, seen: np.ndarray, frame: np.ndarray, clear: np.ndarray
) -> np.ndarray:
    """Root mean square difference of a frame [H W 3] from colours [H' W' 3], wherever it fits in:
    over places that are `clear` in it [H W] and `seen` there [H' W']; infinite where these are too
    few."""
    clear = clear.astype(np.float32)
    shown = frame * clear[..., None]
    whole = np.dstack([np.square(colours).sum(axis=2), seen, colours])
    part = np.dstack([clear, (shown * frame).sum(axis=2), -2 * shown])
    whole, part = (torch.as_tensor(x).movedim(-1, 0) for x in (whole, part))
    size = whole.shape[1:]
    waves = torch.fft.rfft2(whole), torch.fft.rfft2(part, s=size).conj()
    both = torch.stack([(waves[0] * waves[1]).sum(dim=0), waves[0][1] * waves[1][0]])
    rows, columns = (n - m + 1 for n, m in zip(size, part.shape[1:], strict=True))
    squares, overlap = torch.fft.irfft2(both, s=size)[:, :rows, :columns].numpy()
    found = np.sqrt(np.maximum(squares, 0) / np.maximum(3 * overlap, 1e-6))
    return np.where(overlap >= ENOUGH * clear.sum(), found, np.inf)


def smaller(picture: np.ndarray) -> np.ndarray:
    """A picture [H' W'] or [H' W' 3] of which `COARSE` pixels to the side are one."""
    height, width = (n // COARSE for n in picture.shape[:2])
    cut = picture[: COARSE * height, : COARSE * width].astype(np.float32)
    return cut.reshape(height, COARSE, width, COARSE, *picture.shape[2:]).mean(axis=(1, 3))


def panoramas(frames: Sequence[np.ndarray], ways: np.ndarray, clear: np.ndarray) -> list[Canvas]:
    """Frames uint8 [t H W 3] of one episode put together, by the way [t 2] in pixels, x and y, that
    each comes from the one before it; `clear` bool [H W] is where no player stands."""
    found = [Canvas(np.float32(frames[0]) / 255, clear)]
    canvas, at, last, since = found[0], np.zeros(2), np.zeros(2), 0
    for i in range(1, len(frames)):
        at, since = at + ways[i], since + 1
        if abs(at - last).max() < STEP and since < PATIENCE and i < len(frames) - 1:
            continue
        frame, since = np.float32(frames[i]) / 255, 0
        off, place = canvas.near(frame, at.round().astype(int), REACH)
        if off > FITS:
            others = [each for each in reversed(found[-REMEMBERED:]) if each is not canvas]
            placed = ((each, *each.anywhere(frame)) for each in (canvas, *others))
            fits = next((each for each in placed if each[1] <= FITS), None)
            if fits is None:
                canvas = Canvas(frame, clear)
                found.append(canvas)
                at = last = np.zeros(2)
                continue
            canvas, _, place = fits
        moved = canvas.put(frame, place)
        at = at + (moved - place) if abs(at - place).max() <= 0.5 else moved.astype(float)
        last = at.copy()
    return [each for each in found if each.frames >= FEW] or found[:1]

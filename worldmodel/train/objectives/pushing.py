"""Pushing: pictures in which the player has sunk into what stopped him, as dreams come to show it.

Small errors of motion add up: who ought to stand at a wall sinks into it pixel by pixel, and no
recorded picture tells how to come out again. So recorded ones are pushed on in the way in which
they were stopped, all but what stays where it is on the screen, the player's figure; how far they
have to come back is known (cf. the shifted cameras of Bojarski et al., arXiv 1604.07316, section 5,
and DAgger, arXiv 1011.0686).
Shapes: n rows, b pictures, H W pixels.
"""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from worldmodel.data.clips import FrameStore, Span, gather
from worldmodel.data.latents import fill_store
from worldmodel.model.optical_flow import roughly_measured
from worldmodel.model.tokenizer import to_float
from worldmodel.model.warp import centres, sampled

WAYS = "ways-1"  # names the cache; another number when they are measured otherwise
FAST, STILL = 1.0, 0.3  # pixels a frame: what stops had moved faster, and then moves by less
STEADY = 512  # pairs by which it is told what stays
STAYS = 0.7  # the error of a place that stays, at most, over its error if it went along
ELSE, ENOUGH = 0.06, 4.0  # of all brightness, and places of it: what looks like another thing
AROUND = 2  # pixels to each side of what stays that may stay as well
RIM = 4  # pixels around these whose variance is that of what does not stay
UNLIKE, ALIKE = 0.35, 0.7  # share of that variance which is lacking: of the figure nothing, and all


def whole_ways(store: FrameStore) -> np.ndarray:
    """The way [n 2] in pixels, x and y, by which each row's picture as a whole comes from the one
    before it; kept beside the frames. An episode's first one has come from nowhere."""
    first = np.zeros(len(store), bool)
    first[[span.start for span in store.episodes]] = True

    @torch.inference_mode()
    def produce(rows: slice) -> np.ndarray:
        at = np.arange(rows.start, rows.stop)
        pair = (np.asarray(store.frames[np.maximum(at - back, 0)]) for back in (1, 0))
        before, after = (to_float(torch.as_tensor(x)) for x in pair)
        way = roughly_measured(before, after, (1, 1))[..., 0, 0].numpy()
        return way * np.array(store.size)[::-1] / 2 * ~first[at, None]

    return np.array(fill_store(store, produce, WAYS), np.float32)


def stops(ways: np.ndarray, episodes: Sequence[Span]) -> np.ndarray:
    """For each row int8 [n 2], -1 or 1 where the picture, whose ways [n 2] are given, moved that
    way and was stopped at once, and has not moved since; 0 elsewhere.

    Who only slows down, or turns in the air, is stopped by nothing: the row before moves fast, this
    one and the next do not.
    """
    found = np.zeros(ways.shape, np.int8)
    still, fast = np.abs(ways) < STILL, np.abs(ways) > FAST
    for span in episodes:
        for i in range(span.start + 1, span.stop - 1):
            begins = fast[i - 1] & still[i + 1]
            way = np.where(begins, np.sign(ways[i - 1]), found[i - 1])
            found[i] = np.where(still[i], way, 0)
    return found


def what_stays(store: FrameStore, ways: np.ndarray) -> Tensor:
    """The share [1 1 H W] to which each place stays on the screen when the picture moves: what is
    drawn there looks less like what it would be if it went along. Of such places those that look
    alike in all pictures are told from what is only near them, as nothing is seen to move past it
    (a figure that looks different in each episode keeps its surroundings)."""
    moves = np.flatnonzero(np.abs(ways).max(axis=1) > FAST)
    if not len(moves):
        return torch.zeros(1, 1, *store.size)
    rows = moves[np.linspace(0, len(moves) - 1, min(STEADY, len(moves)), dtype=int)]
    pictures = torch.as_tensor(gather(store.frames, rows - 1, 2))
    before, after = (to_float(x) for x in pictures.unbind(1))
    half = torch.tensor([store.size[1] / 2, store.size[0] / 2])
    way = torch.as_tensor(ways[rows]) / half
    at = centres(*store.size) + way[..., None, None]
    off = [(x - after).abs().mean(dim=(0, 1)) for x in (before, sampled(before, at))]
    near = [F.avg_pool2d(x[None, None], 3, 1, 1) for x in off]
    kept = (near[0] < STAYS * near[1]).float()
    wide = F.max_pool2d(kept, 2 * AROUND - 1, 1, AROUND - 1)
    return _alike(after, wide)


def _alike(pictures: Tensor, wide: Tensor) -> Tensor:
    """How much alike all pictures [n 3 H W] are [1 1 H W], by their variance over that around
    `wide` [1 1 H W] places; only there, and all of these where none is alike."""
    varies = pictures.var(dim=0).mean(dim=0)[None, None]
    rim = F.max_pool2d(wide, 2 * RIM + 1, 1, RIM) > wide
    if not rim.any():
        return wide
    alike = wide * (1 - varies / varies[rim].median())
    alike = ((alike - UNLIKE) / (ALIKE - UNLIKE)).clamp(0, 1)
    return alike if (alike > 0.5).any() else wide


def pushed(
    pictures: Tensor, stays: Tensor, by: Tensor, whole: Tensor, onward: Tensor | None = None
) -> Tensor:
    """Pictures [b 3 H W] pushed on by so much [b 2] of half a picture, but for what `stays`
    [1 1 H W]; where that was is what lies behind it, seen in the direction `onward` [b 2] of what
    is in the way (that of `by` unless given), and at their edge they are mirrored. Those that are
    not to be pushed as a `whole` [b] get the mirrored edge alone, so that nobody is told by it."""
    onward = (by if onward is None else onward).sign()[..., None, None]
    whole = whole[:, None].float()
    edge, toward = 1 - (1 - whole) * by.abs(), by.sign()[..., None, None]
    at = centres(*pictures.shape[-2:]) + (whole * by)[..., None, None]
    over = (at * toward - edge[..., None, None]).clamp(min=0)
    at = at - 2 * over * toward
    wide = F.max_pool2d(stays, 3, 1, 1)  # its edge has something of its colours
    behind = sampled(pictures, at - onward * extent(wide))
    there = sampled(pictures, at)
    figure = whole[..., None, None] * sampled(wide.expand(len(at), -1, -1, -1), at)
    there = there + figure * (behind - there)
    return there + stays * (pictures - there)


def sinks(pictures: Tensor, stays: Tensor, by: Tensor) -> Tensor:
    """Whether what `stays` [1 1 H W] in pictures [b 3 H W], pushed on by so much [b 2], comes to
    lie on something else than lies behind it, bool [b]."""
    here, toward = centres(*pictures.shape[-2:]), by.sign()[..., None, None]
    behind = sampled(pictures, here - toward * extent(stays))
    there = sampled(pictures, here + by[..., None, None])
    was = sampled(stays.expand(len(by), -1, -1, -1), here + by[..., None, None])
    off = (there - behind).abs().mean(dim=1, keepdim=True) > ELSE
    return (stays * (1 - was) * off).sum(dim=(1, 2, 3)) >= ENOUGH


def extent(stays: Tensor) -> Tensor:
    """Width and height [1 2 1 1], in half pictures, of what `stays` [1 1 H W]."""
    mask = stays[0, 0] > 0.5
    sides = [float(mask.any(dim=dim).float().mean()) * 2 for dim in (0, 1)]
    return stays.new_tensor(sides).view(1, 2, 1, 1)

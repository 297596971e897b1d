"""Outlook: what lies beside the picture is dreamed off-screen, before it comes into view.

The picture lies in the middle of a larger whole (worldmodel.model.offscreen). Where a strip beside
one of its edges is not known, a window of the picture's size is pushed out over that edge by half
of it, and an outpainter dreams what of it nobody has seen. From then on that is known, and moves
and comes into view like what the player has left behind. If the outpainter has exemplars, what it
has dreamed half-way is replaced by the recorded picture most like that, but for what lies next to
what is known and goes on from it; the last looks fit both together, and what they end in takes its
fine texture from the same picture.
Shapes: b players, k of them, n latents of a frame, c latent channels, H W pixels of the picture,
H' W' of the whole.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from worldmodel.model.detail import with_detail
from worldmodel.model.offscreen import Margin
from worldmodel.model.outpainter import Outpainter, noised_again
from worldmodel.model.tokenizer import PATCH, Tokenizer

NEAR = 16  # pixels beside the picture that should be known: no frame moves by more
ENOUGH = 0.75  # share of them at which nothing has to be dreamed
GUIDED = 0.5  # level up to which looks are guided, as later ones only sharpen what is there

Place = tuple[slice, slice]  # rows and columns of the whole


class Outlook:
    """outlook(whole [b 4 H' W'], noise [b n c], opening [b 3 H W]) -> a whole with the blindest
    side dreamed, if one is in need. One side a call, so that a frame never waits long. The opening
    is the picture that the dream began with."""

    def __init__(self, outpainter: Outpainter, tokenizer: Tokenizer, margin: Margin) -> None:
        self.outpainter, self.tokenizer = outpainter, tokenizer
        size = tokenizer.config.height, tokenizer.config.width
        self.windows: list[Place] = []
        self.strips: list[Place] = []
        for axis in (0, 1):
            push = min(margin[axis], size[axis] // 2) // PATCH * PATCH
            if push < NEAR:
                continue
            for step, edge in ((-push, -NEAR), (push, size[axis])):
                window = [slice(m, m + s) for m, s in zip(margin, size, strict=True)]
                strip = window.copy()
                window[axis] = slice(margin[axis] + step, margin[axis] + step + size[axis])
                strip[axis] = slice(margin[axis] + edge, margin[axis] + edge + NEAR)
                self.windows.append(tuple(window))
                self.strips.append(tuple(strip))

    def __call__(self, whole: Tensor, noise: Tensor, opening: Tensor) -> Tensor:
        if not self.strips:
            return whole
        least, side = self.shares(whole).min(dim=1)
        players = (least < ENOUGH).nonzero()[:, 0].tolist()
        if not players:
            return whole
        whole = whole.clone()
        views = [whole[i, :, *self.windows[side[i]]] for i in players]
        painted = self.paint(torch.stack(views), noise[players], opening[players])
        for view, found in zip(views, painted, strict=True):
            view.copy_(found)
        return whole

    def wanted(self, whole: Tensor) -> bool:
        """Whether there is a side to dream; what is in the picture does not matter."""
        return bool(self.strips) and bool((self.shares(whole) < ENOUGH).any())

    def shares(self, whole: Tensor) -> Tensor:
        """What is known [b s] of the strip beside each edge."""
        known = ((whole[:, 3, *at] > 0).float().mean(dim=(1, 2)) for at in self.strips)
        return torch.stack(list(known), dim=1)

    def paint(self, windows: Tensor, noise: Tensor, opening: Tensor) -> Tensor:
        """Windows [k 4 H W] with all that is not known dreamed from noise [k n c], in dreams that
        began with the opening [k 3 H W]."""
        pictures, known = windows[:, :3], (windows[:, 3:] > 0).float()
        start, share = self.outpainter.begun(self.tokenizer, pictures, known)
        opened = self.outpainter.opened(self.tokenizer, opening)
        exemplars = self.outpainter.exemplars
        alike = [exemplars.alike(each) for each in opening] if exemplars else []
        z, looks, guided = noise, self.outpainter.config.looks, self.outpainter.config.guidance > 1
        for i in range(looks):
            look = self.outpainter.guided if guided and i / looks <= GUIDED else self.outpainter
            clean = look(z, z.new_full((len(z),), i / looks), start, share, *opened)
            if exemplars and i == max(0, min(looks // 2, looks - 2)):
                dreamed = torch.where(known > 0, pictures, self._decoded(clean))
                pairs = zip(alike, dreamed, strict=True)
                recalled = torch.stack([exemplars.nearest(*pair) for pair in pairs])
                there, _ = self.outpainter.begun(self.tokenizer, recalled, torch.ones_like(known))
                near = beside(share, self.tokenizer.config.grid)[..., None]
                clean = there + near * (clean - there)
            z = noised_again(clean, noise, i + 1, looks)
        dreamed = self._decoded(z)
        if exemplars:
            grid, everywhere = self.tokenizer.config.grid, torch.ones_like(share)
            dreamed = with_detail(dreamed, recalled, everywhere, grid, steady=True)
        return torch.cat([torch.where(known > 0, pictures, dreamed), torch.ones_like(known)], dim=1)

    def _decoded(self, latents: Tensor) -> Tensor:
        """Pictures [k 3 H W] of latents [k n c]."""
        return self.tokenizer.pictures(self.tokenizer.clamp(latents)).float().clamp(0, 1)


def beside(share: Tensor, grid: tuple[int, int]) -> Tensor:
    """The share [k n] of latents' places that is known, of them or of those `NEAR` to them."""
    cells = NEAR // PATCH
    return F.max_pool2d(share.unflatten(1, (1, *grid)), 2 * cells + 1, 1, cells).flatten(1)

"""Outlook: what lies beside the picture is dreamed off-screen, before it comes into view.

The picture lies in the middle of a larger whole (worldmodel.model.offscreen). Where a strip beside
one of its edges is not known, a window of the picture's size is pushed out over that edge by half
of it, and an outpainter dreams what of it nobody has seen. From then on that is known, and moves
and comes into view like what the player has left behind. If the outpainter has exemplars, and one
of them goes on well from what is known, it is recalled, and nothing has to be dreamed.
Shapes: b players, k of them, n latents of a frame, c latent channels, H W pixels of the picture,
H' W' of the whole.
"""

import torch
from torch import Tensor

from worldmodel.model.exemplars import FITS
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
        known, players = whole[:, 3], len(whole)  # one by one, as this is asked at every frame
        return any(
            int(torch.count_nonzero(one)) < ENOUGH * one.numel()
            for at in self.strips
            for one in (known[player, *at] for player in range(players))
        )

    def shares(self, whole: Tensor) -> Tensor:
        """What is known [b s] of the strip beside each edge."""
        strips = [whole[:, 3, *at] for at in self.strips]
        known = [torch.count_nonzero(strip, dim=(1, 2)) / strip[0].numel() for strip in strips]
        return torch.stack(known, dim=1)

    def paint(self, windows: Tensor, noise: Tensor, opening: Tensor) -> Tensor:
        """Windows [k 4 H W] with all that is not known recalled, or else dreamed from noise
        [k n c], in dreams that began with the opening [k 3 H W]."""
        pictures, known = windows[:, :3], (windows[:, 3:] > 0).float()
        found, exemplars = pictures.clone(), self.outpainter.exemplars
        new = list(range(len(windows)))
        for i in new.copy() if exemplars else ():
            recalled, off = exemplars.recalled(pictures[i], known[i], opening[i])
            if off <= FITS:
                found[i] = recalled
                new.remove(i)
        if new:
            found[new] = self._dreamed(pictures[new], known[new], noise[new], opening[new])
        return torch.cat([torch.where(known > 0, pictures, found), torch.ones_like(known)], dim=1)

    def _dreamed(self, pictures: Tensor, known: Tensor, noise: Tensor, opening: Tensor) -> Tensor:
        """Pictures [k 3 H W], of which pixels [k 1 H W] are known, as they are dreamed."""
        start, share = self.outpainter.begun(self.tokenizer, pictures, known)
        opened = self.outpainter.opened(self.tokenizer, opening)
        z, looks, guided = noise, self.outpainter.config.looks, self.outpainter.config.guidance > 1
        for i in range(looks):
            look = self.outpainter.guided if guided and i / looks <= GUIDED else self.outpainter
            clean = look(z, z.new_full((len(z),), i / looks), start, share, *opened)
            z = noised_again(clean, noise, i + 1, looks)
        return self.tokenizer.pictures(self.tokenizer.clamp(z)).float().clamp(0, 1)

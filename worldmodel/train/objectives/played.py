"""Frames dreamed as play dreams them, those of a clip at once: what finishing learns from.

Shapes: b clips, t frames, n latents of a frame, c channels, m controls.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from worldmodel.diffusion.path import noised
from worldmodel.model.carrier import Carrier
from worldmodel.model.transformer import WorldTransformer
from worldmodel.train.objectives.own_past import own_past
from worldmodel.train.objectives.rectified_flow import FlowConfig, shown_carried


@dataclass(frozen=True, kw_only=True)
class Played:
    """Clips in which every second frame is about to be dreamed, from a past that was dreamed."""

    own: Tensor  # [b t n c], the past
    controls: Tensor  # [b t m]
    start: Tensor  # [b t n c], what motion carried
    shown: tuple[Tensor, Tensor]  # the same with a little noise, and its levels [b t]
    known: Tensor  # [b t n], the share of each place that was in the frame before
    chosen: Tensor  # bool [t], the frames that are dreamed

    def look(self, world: WorldTransformer, z: Tensor, tau: float) -> Tensor:
        """Clean latents [b t n c] for noisy ones at the level `tau`, of the chosen frames."""
        level = torch.where(self.chosen, tau, 1.0).expand(z.shape[:2])
        seen = torch.where(self.chosen[:, None, None], z, self.own)
        return world(seen, level, torch.zeros_like(level), self.controls, None, self.shown)

    def begun(self, first: Tensor, noise: Tensor, tau: float) -> Tensor:
        """What the second look is given: what is known as motion carried it, the rest as in the
        first look, at the level `tau`.
        """
        start = first + self.known[..., None] * (self.start - first)
        return noised(start, noise, torch.full(noise.shape[:2], tau))

    def of(self, frames: Tensor) -> Tensor:
        """The chosen ones of frames [b t ...], as [b' ...]."""
        return frames[:, self.chosen].flatten(0, 1)

    def twice(self) -> "Played":
        """Every clip two times, one after the other."""
        own, controls, start, known = (
            torch.cat([x, x]) for x in (self.own, self.controls, self.start, self.known)
        )
        shown = tuple(torch.cat([x, x]) for x in self.shown)
        return replace(self, own=own, controls=controls, start=start, known=known, shown=shown)


def played(
    world: WorldTransformer, carrier: Carrier, clean: Tensor, controls: Tensor, carried: Tensor,
    flow: FlowConfig, draw: torch.Generator,
) -> Played:  # fmt: skip
    """Clips [b t n c] as play stands before every second of their frames."""
    own, (start,), given = own_past(
        world, carrier, clean, controls, [carried], flow.steps, flow.warm_start, draw
    )
    chosen = ~given
    chosen[0] = False
    return Played(
        own=own, controls=controls, start=start, shown=shown_carried(start, draw),
        known=known_places(carrier, own, controls), chosen=chosen,
    )  # fmt: skip


@torch.no_grad()
def known_places(carrier: Carrier, own: Tensor, controls: Tensor) -> Tensor:
    """The share [b t n] of each place that was in the frame before, as motion sees it."""
    b, t = own.shape[:2]
    known = carrier.known_at(own, controls, torch.arange(1, t)).unflatten(0, (b, t - 1))
    return torch.cat([torch.zeros_like(known[:, :1]), known], dim=1)

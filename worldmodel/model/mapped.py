"""Mapped: a carrier that knows its player's map, and so what he will see.

The keys say where he stands next, and the frame starts from the view from there. Of whom it is not
known where he stands, as in a picture of another place, the last frame is moved on as ever.
Shapes: b players, r controls remembered, m controls, n latents of a frame, H W pixels.
"""

import torch
from torch import Tensor

from worldmodel.model.cache import FrameCache, Memory
from worldmodel.model.carried import Carried, either
from worldmodel.model.carrier import Carrier
from worldmodel.model.motion import Motion
from worldmodel.model.outpainter import Outpainter
from worldmodel.model.tokenizer import Tokenizer
from worldmodel.model.whereabouts import Whereabouts


class MappedCarrier(Carrier):
    """A carrier of a world whose map is known."""

    def __init__(
        self, motion: Motion, tokenizer: Tokenizer, outpainter: Outpainter | None,
        whereabouts: Whereabouts,
    ) -> None:  # fmt: skip
        super().__init__(motion, tokenizer, outpainter)
        self.whereabouts = whereabouts

    def onward(self, memory: Memory, recent: Tensor, noise: Tensor | None) -> tuple[Tensor, ...]:
        state = self.whereabouts.onward(memory.state, recent)
        there = state.isfinite().all(dim=1)
        viewed = self._viewed(memory, state) if there.any() else None
        if viewed and there.all():
            return viewed
        moved = *super().onward(memory, recent, noise)[:-1], state
        return either(there, viewed, moved) if viewed else moved

    def _viewed(self, memory: Memory, state: Tensor) -> tuple[Tensor, ...]:
        """What `onward` returns for players who stand there now."""
        picture, moves = self.whereabouts.view(memory.state, state)
        latents = self.tokenizer.latents(picture)
        flow = latents.new_zeros(len(latents), 0)
        if self.motion.config.momentum:  # who is on the map needs none to go on from
            flow = self.motion.no_flow(len(latents))
        known, around = torch.ones_like(latents[..., 0]), self.nothing(latents)
        return latents, known, moves, flow, picture, around, memory.lag, state

    def seen(self, cache: FrameCache, carried: Carried, picture: Tensor) -> Carried:
        """`carried` for a frame that was not dreamed, whose `picture` [b 3 H W] tells where its
        player stands."""
        carried, before = super().seen(cache, carried, picture), cache.memory.state
        before = before if before.shape[1] else self.nowhere(before)
        found = self.whereabouts.found(before, carried.state[:, 0], picture)
        return carried._replace(state=found[:, None])

    def nowhere(self, like: Tensor) -> Tensor:
        return self.whereabouts.unknown(like)

    def stopped(self, state: Tensor) -> Tensor:
        return torch.cat([state[:, :4], state[:, 4:6] * 0, state[:, 6:]], dim=1)

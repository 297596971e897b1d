"""Frames dreamed as play dreams them, those of a clip at once: what finishing learns from.

A past of one's own is made in rounds. In each every second frame is dreamed, all at once, from the
frames between, which the round before has dreamed (cf. Duckworth et al., arXiv 1906.04331): after
as many rounds errors have grown over as many frames.
Shapes: b clips, t frames, n latents of a frame, c channels, m controls, h w latent grid.
"""

from dataclasses import dataclass, replace

import torch
from einops import rearrange
from torch import Tensor

from worldmodel.diffusion.path import noised
from worldmodel.model.carrier import Carrier
from worldmodel.model.transformer import WorldTransformer
from worldmodel.model.warp import sources
from worldmodel.train.objectives.moment import without_gradients
from worldmodel.train.objectives.rectified_flow import FlowConfig, shown_carried


@dataclass(frozen=True, kw_only=True)
class Played:
    """Clips in which every second frame is about to be dreamed."""

    own: Tensor  # [b t n c], the past
    seen: Tensor  # [b t n], the share of each of its places that goes back to a real frame: a
    # runner whom the world has to paint anew does, ground that came into view does not
    controls: Tensor  # [b t m]
    start: Tensor  # [b t n c], what motion carried
    shown: tuple[Tensor, Tensor]  # the same with a little noise, and its levels [b t]
    known: Tensor  # [b t n], the share of each place that was in the frame before
    real: Tensor  # [b t n], the share that is known and goes back to a real frame
    traced: Tensor  # [b t n], the same with what bends, which the world has to paint anew
    chosen: Tensor  # bool [t], the frames that are dreamed
    kept: tuple[Tensor, Tensor]  # start and known as the recording has them: what is off-screen

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

    def aim(self, clean: Tensor) -> Tensor:
        """What dreams [b t n c] should become: the truth, but where this past has made something up
        itself, which no truth speaks of, that it stays.
        """
        return clean + (self.known - self.real)[..., None] * (self.start - clean)

    def of(self, frames: Tensor) -> Tensor:
        """The chosen ones of frames [b t ...], as [b' ...]."""
        return frames[:, self.chosen].flatten(0, 1)

    def twice(self) -> "Played":
        """Every clip two times, one after the other."""
        tensors = {k: v for k, v in vars(self).items() if isinstance(v, Tensor) and k != "chosen"}
        pairs = {"shown": self.shown, "kept": self.kept}
        doubled = {k: torch.cat([v, v]) for k, v in tensors.items()}
        doubled |= {k: tuple(torch.cat([x, x]) for x in pair) for k, pair in pairs.items()}
        return replace(self, **doubled)


def played(
    world: WorldTransformer, carrier: Carrier, clean: Tensor, controls: Tensor, carried: Tensor,
    flow: FlowConfig, draw: torch.Generator, rounds: int = 1, known: Tensor | None = None,
) -> Played:  # fmt: skip
    """Clips [b t n c] as play stands before every second of their frames, after so many rounds.

    `known` [b t n] is the share of each place that is known in worlds that keep what is off-screen.
    """
    chosen = torch.arange(clean.shape[1]) % 2 == int(torch.randint(2, (1,), generator=draw))
    with without_gradients(clean.device):
        there = traced = known_places(carrier, clean, controls, bends=True)
        if known is not None:
            there, traced = known, torch.maximum(known, traced)
        elif carrier.motion.config.bend:
            there = known_places(carrier, clean, controls)
        now = Played(
            own=clean, seen=torch.ones_like(there), controls=controls, start=carried,
            shown=shown_carried(carried, draw), known=there, real=there, traced=traced,
            chosen=_after(~chosen), kept=(carried, there),
        )  # fmt: skip
        for _ in range(rounds):
            now = _dreamed(now, world, carrier, flow, draw)
    return now


def known_places(carrier: Carrier, clean: Tensor, controls: Tensor, bends: bool = False) -> Tensor:
    """The share [b t n] of each place that was in the frame before, as motion sees it."""
    b, t = clean.shape[:2]
    known = carrier.known_at(clean, controls, torch.arange(1, t), bends=bends)
    known = known.unflatten(0, (b, t - 1))
    return torch.cat([torch.zeros_like(known[:, :1]), known], dim=1)


def _dreamed(
    now: Played, world: WorldTransformer, carrier: Carrier, flow: FlowConfig, draw: torch.Generator
) -> Played:
    """The chosen frames as play dreams them in two looks; the others are chosen next."""
    noise = torch.randn(now.own.shape, generator=draw)
    first = now.look(world, noise, 0.0)
    last = now.look(world, now.begun(first, noise, flow.warm_start), flow.warm_start)
    own = torch.where(now.chosen[:, None, None], last.to(now.own.dtype), now.own)
    seen = torch.where(now.chosen[:, None], now.traced, now.seen)
    now = replace(now, own=own, seen=seen, chosen=_after(now.chosen))
    now = _carried_anew(now, carrier)
    return replace(now, shown=shown_carried(now.start, draw))


def _after(chosen: Tensor) -> Tensor:
    """The frames [t] that are not chosen; never the first one, which has no past."""
    others = ~chosen
    others[0] = False
    return others


def _carried_anew(now: Played, carrier: Carrier) -> Played:
    """What the chosen frames start from after what was dreamed; what is off-screen stays recorded.

    The first frames stay as they are: what motion remembers of keys reaches back before the clip.
    """
    at = torch.arange(max(carrier.motion.config.history, 2), now.own.shape[1])
    at = at[now.chosen[at]]
    if not len(at):
        return now
    latents, there, _, flow, _ = carrier.carry_at(now.own, now.controls, at)
    held = rearrange(
        now.seen[:, at - 1], "b k (h w) -> (b k) 1 h w", h=carrier.motion.config.grid[0]
    )
    size = carrier.tokenizer.config.height, carrier.tokenizer.config.width
    real, traced = (carrier.motion.known(sources(flow, size), held, bends=x) for x in (False, True))
    if carrier.motion.config.margin:
        kept, recorded = (x[:, at].flatten(0, 1) for x in now.kept)
        latents = carrier.motion.with_offscreen(latents, kept, flow)
        beyond = (1 - carrier.motion.seen(flow)) * recorded
        there, real, traced = there + beyond, real + beyond, traced + beyond
    found = {"start": latents, "known": there, "real": real, "traced": traced}
    anew = {name: getattr(now, name).clone() for name in found}
    for name, value in found.items():
        anew[name][:, at] = value.unflatten(0, (-1, len(at))).to(anew[name].dtype)
    return replace(now, **anew)

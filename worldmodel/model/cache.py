"""The frame cache: what the transformer remembers of the last W frames.

A ring written once a frame. Keys lie there turned by the place and the time of their tokens, as
queries will be, so that attention sees only how far apart they are.
Shapes: l layers that attend over time, b batch, k heads, w ring slots, n tokens, e head size.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Memory:
    """One value of the cache. Frozen: a snapshot is a reference, a commit makes a new Memory."""

    keys: Tensor  # [l b k w n e], turned by place and time
    values: Tensor  # [l b k w n e]
    latent: Tensor  # [b n c], the last frame as it was committed
    earlier: Tensor  # [b n c], the one before it; the same one while there is only one
    tau: Tensor  # [b], its noise level
    controls: Tensor  # [b m], the controls that produced it
    count: Tensor  # [b] int64 on the CPU, frames committed since the start
    recent: Tensor  # [b r m], the last r controls, newest first
    picture: Tensor  # [b 3 H W], the last frame as shown; [b 0] in worlds without motion
    flow: Tensor  # [b 2 h' w'], where its places came from; [b 0] without momentum
    offscreen: Tensor  # [b 4 H' W'], what is around the picture; [b 0] where that is not kept
    lag: Tensor  # [b 2], pixels by which that lags behind the flow
    opening: Tensor  # [b 3 H W], the first picture of all; [b 0] while there is none
    state: Tensor  # [b 8], where its player stands, NaN if unknown; [b 0] in worlds without atlas


class FrameCache:
    """A ring over `Memory`: `look` reads it, `commit` adds a frame, and nothing else changes it."""

    def __init__(self, memory: Memory) -> None:
        self.restore(memory)

    @classmethod
    def empty(
        cls,
        *,
        layers: int,
        batch: int,
        heads: int,
        window: int,
        tokens: int,
        head: int,
        latent: tuple[int, int],
        controls: int,
        history: int = 1,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> "FrameCache":
        """A cache that remembers nothing; a last frame of pure noise level carries no news."""
        ring = torch.zeros(layers, batch, heads, window, tokens, head, device=device, dtype=dtype)
        return cls(
            Memory(
                keys=ring,
                values=ring.clone(),
                latent=torch.zeros(batch, *latent, device=device),
                earlier=torch.zeros(batch, *latent, device=device),
                tau=torch.zeros(batch, device=device),
                controls=torch.zeros(batch, controls, device=device),
                count=torch.zeros(batch, dtype=torch.int64),
                recent=torch.zeros(batch, history, controls, device=device),
                picture=torch.zeros(batch, 0, device=device),
                flow=torch.zeros(batch, 0, device=device),
                offscreen=torch.zeros(batch, 0, device=device),
                lag=torch.zeros(batch, 2, device=device),
                opening=torch.zeros(batch, 0, device=device),
                state=torch.zeros(batch, 0, device=device),
            )
        )

    @property
    def window(self) -> int:
        return self.memory.keys.shape[3]

    def commit(
        self,
        keys: Tensor,
        values: Tensor,
        latent: Tensor,
        tau: Tensor,
        controls: Tensor,
        picture: Tensor | None = None,
        flow: Tensor | None = None,
        offscreen: Tensor | None = None,
        lag: Tensor | None = None,
        state: Tensor | None = None,
    ) -> None:
        """Remember a frame: keys and values [l b k n e], the keys turned by when it is, latent
        [b n c], tau [b], controls [b m].

        In worlds with motion `picture` [b 3 H W] is the frame as it is shown, with momentum `flow`
        [b 2 h' w'] what it was moved by, and `offscreen` [b 4 H' W'] what lies around it, by
        `lag` [b 2] behind; with a map `state` [b 8] is where its player stands. The old Memory
        stays as it was, so snapshots taken before remain true.
        """
        old = self.memory
        counts, ring_keys, ring_values = old.count.tolist(), old.keys.clone(), old.values.clone()
        for player, count in enumerate(counts):
            ring_keys[:, player, :, count % self.window] = keys[:, player]
            ring_values[:, player, :, count % self.window] = values[:, player]
        recent = torch.cat([controls[:, None], old.recent[:, :-1]], dim=1)
        picture = old.picture if picture is None else picture
        earlier = old.latent
        if not all(counts):
            begun = (old.count > 0).to(latent.device)[:, None, None]
            earlier = torch.where(begun, old.latent, latent)
        self.restore(
            Memory(
                keys=ring_keys,
                values=ring_values,
                latent=latent,
                earlier=earlier,
                tau=tau,
                controls=controls,
                count=old.count + 1,
                recent=recent,
                picture=picture,
                flow=old.flow if flow is None else flow,
                offscreen=old.offscreen if offscreen is None else offscreen,
                lag=old.lag if lag is None else lag,
                opening=old.opening if old.opening.ndim == 4 else picture,
                state=old.state if state is None else state,
            )
        )

    def snapshot(self) -> Memory:
        return self.memory

    def restore(self, memory: Memory) -> None:
        self.memory = memory
        self.recalled: object = None  # what the network last derived from this memory
        self.looked: object = None  # keys and values of its last look at the next frame


def join(caches: list[FrameCache]) -> FrameCache:
    """Several players' caches as one batch; each keeps its own count of frames."""
    memories = [vars(cache.memory) for cache in caches]
    return FrameCache(
        Memory(**{k: torch.cat([m[k] for m in memories], dim=_players(k)) for k in memories[0]})
    )


def split(cache: FrameCache) -> list[FrameCache]:
    """The inverse of `join`."""
    return [part(cache, i, 1) for i in range(len(cache.memory.count))]


def part(cache: FrameCache, start: int, count: int) -> FrameCache:
    """The caches of `count` players, from number `start` on."""
    memory = vars(cache.memory)
    return FrameCache(Memory(**{k: v.narrow(_players(k), start, count) for k, v in memory.items()}))


def _players(name: str) -> int:
    """The axis of a memory's field along which players lie."""
    return 1 if name in ("keys", "values") else 0


def past_mask(frames: int, tokens: int, window: int) -> Tensor:
    """Who sees whom, bool [frames*tokens, frames*tokens]: own frame and `window` before it.

    The same past without a cache, for all frames of a clip at once.
    """
    at = torch.arange(frames).repeat_interleave(tokens)
    age = at[:, None] - at[None]
    return (age >= 0) & (age <= window)

"""One frame at a time: the step that play, evaluation and training on own rollouts share.

Shapes: b batch, t frames, n latents of a frame, c channels, m controls.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor

from worldmodel.diffusion.path import noised
from worldmodel.diffusion.samplers import Denoise, Fresh, guided, sample_euler, sample_warm


class CachedNetwork(Protocol):
    """A transformer that reads a frame cache (`__call__`) and adds to it (`commit`)."""

    def __call__(
        self, latents: Tensor, tau: Tensor, jump: Tensor, controls: Tensor, cache: object,
        carried: object,
    ) -> Tensor: ...  # fmt: skip

    def commit(
        self, latent: Tensor, tau: Tensor, controls: Tensor, cache: object, carried: object,
        picture: Tensor | None, finishing_look: bool,
    ) -> None: ...  # fmt: skip


class Carrier(Protocol):
    """What moves the last frame along as the keys say; absent in worlds without motion."""

    def carry(
        self, cache: object, controls: Tensor, noise: Tensor | None = None, rest: float = 0.0
    ) -> tuple[Tensor, ...]:
        """The frame before, moved: latents [b 1 n c], their level [b 1], what is known [b 1 n], by
        how many pixels it moves [b 1], and the latents as they were [b 1 n c]; what follows is the
        carrier's own. From noise [b n c], if given, it may dream what is about to come into
        view. What moves by less than `rest` pixels, long after any control, stays where it is."""

    def seen(self, cache: object, carried: object, picture: Tensor) -> object:
        """`carried` for a frame that was not dreamed, whose `picture` [b 3 H W] is given."""

    def picture(self, latent: Tensor, carried: object) -> Tensor:
        """Latents [b n c] as the frame [b 3 H W] that is shown."""


def next_frame(
    network: CachedNetwork,
    cache: object,
    controls: Tensor,
    noise: Tensor,
    *,
    times: Sequence[float],
    sampler: Callable[..., Tensor] = sample_euler,
    fresh: Fresh | None = None,
    guidance: float = 1.0,
    guidance_interval: tuple[float, float] = (0.0, 1.0),
    clamp: Callable[[Tensor], Tensor] = lambda x: x,
    carried: tuple[Tensor, ...] | None = None,
    warm_start: float = 0.0,
    rest: float = 0.0,
) -> Tensor:
    """Dream one latent frame [b n c] from noise [b n c] under controls [b m]; only looks.

    With `carried` and a `warm_start` above 0, known places begin there. Where no control is held
    and what is carried moves by less than `rest` pixels, the frame is the last one once more.
    """
    still = None
    if carried and rest and (rests := carried[3][:, 0] < rest).any():
        still = rests & (controls == 0).all(dim=1)
        if still.all():
            return carried[4][:, 0]

    def denoiser(keys: Tensor) -> Denoise:
        def denoise(z: Tensor, tau: float, jump: float) -> Tensor:
            level = z.new_full((len(z), 1), tau)
            length = z.new_full((len(z), 1), jump)  # heeded by networks that have learned jumps
            return network(z[:, None], level, length, keys[:, None], cache, carried)[:, 0]

        return denoise

    denoise = denoiser(controls)
    if guidance != 1:
        blind = denoiser(torch.full_like(controls, torch.nan))
        denoise = guided(denoise, blind, guidance, guidance_interval)
    fresh = fresh or (lambda i: torch.randn_like(noise))
    if carried and warm_start:
        latents, _, known = (part[:, 0] for part in carried[:3])
        found = sample_warm(
            sampler, denoise, noise, times, fresh, level=warm_start, start=latents, known=known
        )
    else:
        found = sampler(denoise, noise, times, fresh)
    found = clamp(found)
    if still is None or not still.any():
        return found
    return torch.where(still[:, None, None], carried[4][:, 0], found)


def remember(
    network: CachedNetwork, cache: object, latent: Tensor, controls: Tensor,
    context_noise: float = 0.0, noise: Tensor | None = None, *,
    carried: object = None, picture: Tensor | None = None, finishing_look: bool = True,
) -> None:  # fmt: skip
    """Commit a finished frame [b n c], made a little noisy and labelled so (GameNGen).

    Without a `finishing_look`, and without such noise, it is remembered as its last look saw it:
    networks trained with a noise level for each frame (Diffusion Forcing, arXiv 2407.01392) know
    such a past, and a frame needs one pass fewer.
    """
    if noise is None:
        context_noise = 0.0
    tau = latent.new_full((len(latent),), 1 - context_noise)
    shown = latent if context_noise == 0 else noised(latent, noise, tau)
    again = finishing_look or context_noise > 0
    network.commit(shown, tau, controls, cache, carried, picture, again)


def prefill(
    network: CachedNetwork, cache: object, latents: Tensor, controls: Tensor,
    carrier: Carrier | None = None, pictures: Tensor | None = None,
) -> None:  # fmt: skip
    """Commit real frames [b t n c] with their controls [b t m], oldest first.

    What is moved on are their `pictures` [b t 3 H W], in 0..1, or the latents decoded.
    """
    for i in range(latents.shape[1]):
        carried = carrier and carrier.carry(cache, controls[:, i])
        if carrier and pictures is not None:
            picture = pictures[:, i]
        else:
            picture = carrier and carrier.picture(latents[:, i], None)
        carried = carrier and carrier.seen(cache, carried, picture)
        remember(network, cache, latents[:, i], controls[:, i], carried=carried, picture=picture)


def rollout(
    network: CachedNetwork, cache: object, controls: Tensor, noise: Tensor, *,
    carrier: Carrier | None = None, pictures: list[Tensor] | None = None,
    finishing_look: bool = True, **settings: object,
) -> Tensor:  # fmt: skip
    """Dream t frames [b t n c] on the network's own output; controls [b t m], noise [b t n c].

    In worlds with motion the frames as they are shown [b 3 H W] are put at the end of `pictures`.
    """
    frames = []
    for i in range(controls.shape[1]):
        keys = controls[:, i]
        rest = settings.get("rest", 0.0)
        carried = carrier and carrier.carry(cache, keys, noise[:, i], rest)
        frame = next_frame(network, cache, keys, noise[:, i], carried=carried, **settings)
        picture = carrier and carrier.picture(frame, carried)
        remember(
            network, cache, frame, keys,
            carried=carried, picture=picture, finishing_look=finishing_look,
        )  # fmt: skip
        frames.append(frame)
        if carrier and pictures is not None:
            pictures.append(picture)
    return torch.stack(frames, dim=1)

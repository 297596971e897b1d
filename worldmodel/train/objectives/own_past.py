"""A past that the world has dreamed itself, as play will show it (scheduled sampling).

Every second frame of a clip is dreamed from the real frames around it, all at once (cf. Duckworth
et al., arXiv 1906.04331); the frames between learn to follow such a past.
Shapes: b clips, t frames, n latents of a frame, c channels, m controls, r controls remembered.
"""

from itertools import pairwise

import torch
from torch import Tensor

from worldmodel.diffusion.path import noised, velocity
from worldmodel.diffusion.schedules import even_times
from worldmodel.model.carrier import Carrier
from worldmodel.model.transformer import WorldTransformer


@torch.no_grad()
def own_past(
    network: WorldTransformer, carrier: Carrier | None, clean: Tensor, controls: Tensor,
    carried: list[Tensor], steps: int, warm_start: float, draw: torch.Generator,
    *, blank: bool = False,
) -> tuple[Tensor, list[Tensor], Tensor]:  # fmt: skip
    """Clips [b t n c] with every second frame dreamed, what each frame then starts from (one tensor
    or none, as `carried`), and which frames were dreamed, bool [t].

    Frames are dreamed in `steps` from noise, or with motion in one from the level `warm_start`, as
    play dreams what it knows; `blank` puts zeros in the place of noise. The first frame stays: it
    has no past to be dreamed from.
    """
    t = clean.shape[1]
    dreamed = torch.arange(t) % 2 == int(torch.randint(2, (1,), generator=draw))
    dreamed[0] = False
    start = [(moved, (moved.abs().amax(dim=(-2, -1)) > 0).float()) for moved in carried]
    z, still = torch.randn(clean.shape, generator=draw), torch.zeros(clean.shape[:2])
    z = torch.zeros_like(z) if blank else z
    times = even_times(steps)
    if carried and warm_start:
        z, times = noised(carried[0], z, torch.full(clean.shape[:2], warm_start)), (warm_start, 1.0)
    # weights cast by autocast without gradients must not be kept for the pass that has them
    kind = clean.device.type
    with torch.autocast(kind, torch.bfloat16, torch.is_autocast_enabled(kind), False):
        for tau, after in pairwise(times):
            level = torch.where(dreamed, tau, 1.0).expand(clean.shape[:2])
            shown = torch.where(dreamed[:, None, None], z, clean)
            guess = network(shown, level, still, controls, None, *start)
            z = z + (after - tau) * velocity(guess, z, tau)
        own = torch.where(dreamed[:, None, None], z, clean)
        after_dream = [_carried_anew(carrier, own, controls, moved, dreamed) for moved in carried]
    return own, after_dream, dreamed


def _carried_anew(
    carrier: Carrier, own: Tensor, controls: Tensor, moved: Tensor, dreamed: Tensor
) -> Tensor:
    """What frames start from that follow a dreamed one [b t n c]; the others keep `moved`.

    So do the first frames, whose remembered controls reach back before the clip, and in worlds that
    keep what is off-screen the places that were not in the last picture.
    """
    history, b = carrier.motion.config.history, len(own)
    at = torch.arange(max(history, 2), own.shape[1])
    at = at[dreamed[at - 1]]
    if not len(at):
        return moved
    anew, _, _, flow, _ = carrier.carry_at(own, controls, at)
    anew = carrier.motion.with_offscreen(anew, moved[:, at].flatten(0, 1), flow)
    moved = moved.clone()
    moved[:, at] = anew.unflatten(0, (b, len(at))).to(moved.dtype)
    return moved

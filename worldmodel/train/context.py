"""What play would remember just before frames of a clip, for many frames at once.

Shapes: b clips, k chosen frames, t frames, n latents of a frame, c channels, m controls,
l layers that attend over time, w ring slots, r controls remembered.
"""

import torch
from einops import rearrange
from torch import Tensor

from worldmodel.model.cache import FrameCache, Memory
from worldmodel.model.carrier import Carrier
from worldmodel.model.rotary import turned
from worldmodel.model.transformer import WorldTransformer


@torch.no_grad()
def caches_at(
    network: WorldTransformer, carrier: Carrier | None, clean: Tensor, controls: Tensor,
    carried: list[Tensor], at: Tensor,
) -> FrameCache:  # fmt: skip
    """A cache of batch b*k, as `prefill` leaves it after the frames of a clip before `at` [k].

    Clips are clean [b t n c], controls [b t m] and carried as `flow_loss` has it; frames in `at`
    are 1 or later. One pass over the clip in the place of a commit for every frame; nothing is
    known of what is off-screen.
    """
    keys, values = _memorise(network, clean, controls, carried)
    window, history = network.config.window, max(1, network.config.history)
    slots = torch.arange(window)
    frame = at[:, None] - 1 - (at[:, None] - 1 - slots) % window  # [k w], held by each slot
    held = (frame >= 0)[..., None, None, None]

    def ring(each: Tensor) -> Tensor:
        chosen = each[:, :, frame.clamp_min(0)] * held
        return rearrange(chosen, "l b k w h n e -> l (b k) h w n e")

    def rows(frames: Tensor) -> Tensor:
        return clean[:, frames].flatten(0, 1)

    back = at[:, None] - 1 - torch.arange(history)  # [k r], newest first
    recent = controls[:, back.clamp_min(0)] * (back >= 0)[..., None]
    last = rows(at - 1)
    flow = carrier.flow_at(clean, controls, at - 1) if carrier else None
    picture, opening = last.new_zeros(len(last), 0), last.new_zeros(len(last), 0)
    if carrier:
        picture = carrier.picture(last)
        opening = carrier.picture(clean[:, 0]).repeat_interleave(len(at), dim=0)
    return FrameCache(
        Memory(
            keys=ring(keys),
            values=ring(values),
            latent=last,
            earlier=rows((at - 2).clamp_min(0)),
            tau=torch.ones(len(last), device=last.device),
            controls=controls[:, at - 1].flatten(0, 1),
            count=at.repeat(len(clean)),
            recent=recent.flatten(0, 1),
            picture=picture,
            flow=last.new_zeros(len(last), 0) if flow is None else flow,
            offscreen=carrier.nothing(last) if carrier else last.new_zeros(len(last), 0),
            lag=last.new_zeros(len(last), 2),
            opening=opening,
            state=last.new_zeros(len(last), 0),
        )
    )


def _memorise(
    network: WorldTransformer, clean: Tensor, controls: Tensor, carried: list[Tensor]
) -> tuple[Tensor, Tensor]:
    """Keys and values [l b t heads n e] that the dense blocks keep of every frame of a clip, the
    keys turned by its number."""
    ones = torch.ones(clean.shape[:2], device=clean.device)
    start = carried[0] if carried else _shifted(clean)
    level = (start.abs().amax(dim=(-2, -1)) > 0).float() if carried else _shifted(ones)
    condition = network.condition(
        ones, torch.zeros_like(ones), controls, level, _shifted(controls)
    )  # fmt: skip
    tokens = network.tokens(network.local_features(clean, start, condition))
    _, kept = network.trunk(tokens, condition, None, max(network.config.dense) + 1)
    keys, values = (torch.stack(each) for each in zip(*kept, strict=True))
    turns = network.turns.at(torch.arange(clean.shape[1], device="cpu")).to(keys.device)
    return turned(keys, *turns[:, :, None].unbind(1)), values


def _shifted(x: Tensor) -> Tensor:
    """Each frame's predecessor along axis 1; the first one's is zero."""
    return torch.cat([torch.zeros_like(x[:, :1]), x[:, :-1]], dim=1)

"""How far few looks at a frame end from a teacher's many, from the same noise and past.

Shapes: b clips, n latents of a frame, c channels.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from worldmodel.diffusion.rollout import next_frame, prefill
from worldmodel.diffusion.schedules import even_times
from worldmodel.model.carrier import Carrier
from worldmodel.model.transformer import WorldTransformer
from worldmodel.train.aside import AsideClips

MANY = 16  # looks that count as the flow's own end
FEW = (1, 2, 4)  # looks in the figures


@torch.no_grad()
def next_latents(
    network: WorldTransformer, carrier: Carrier | None, clips: AsideClips, looks: int,
    **setting: object,
) -> Tensor:  # fmt: skip
    """The first frame after the clips' real past, [b n c]; `setting` is `next_frame`'s."""
    at, keys = clips.context, clips.controls[:, clips.context]
    cache = network.empty_cache(len(clips.latents))
    prefill(network, cache, clips.latents[:, :at], clips.controls[:, :at], carrier)
    noise = torch.randn(clips.latents[:, 0].shape, generator=torch.Generator().manual_seed(2))
    carried = carrier and carrier.carry(cache, keys)
    setting |= {"times": even_times(looks), "carried": carried}
    return next_frame(network, cache, keys, noise, **setting)


def gap_figures(
    student: WorldTransformer, teacher: WorldTransformer, carrier: Carrier | None,
    clips: AsideClips, looks: Sequence[int] = FEW, teacher_guidance: float = 1.0, **setting: object,
) -> dict[str, float]:  # fmt: skip
    """Mean squared difference from the teacher's MANY looks: of the student's few, `gap_K`, and of
    the teacher's own few, `teacher_gap_K`. The teacher's are guided."""
    guided = {**setting, "guidance": teacher_guidance}
    many = next_latents(teacher, carrier, clips, MANY, **guided)
    found = {}
    for k in looks:
        few = {
            f"gap_{k}": next_latents(student, carrier, clips, k, **setting),
            f"teacher_gap_{k}": next_latents(teacher, carrier, clips, k, **guided),
        }
        found |= {name: float((frame - many).square().mean()) for name, frame in few.items()}
    return found

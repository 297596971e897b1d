"""What an ImageNet network sees in frames: the features that KID and the perceptual distance use.

EfficientNet-Lite2 (arXiv 1905.11946), whose smaller sister is the one that training losses use.
What is computed from it is named after it: it is not the network of FID, nor that of LPIPS.
Shapes: n frames, f features, H W pixels.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from worldmodel.model.efficientnet import EfficientNetLite, load_efficientnet
from worldmodel.model.tokenizer import to_float
from worldmodel.play.graph import Graph

NAME = "EfficientNet-Lite2"
HEIGHT = 192  # to which frames are resized; the network learned from pictures of 260
MULTIPLE = 32  # of its coarsest features
COMPARED = (1, 2, 4)  # stages of the perceptual distance, at a 4th, 8th and 16th of the size
BATCH = 16


@dataclass(frozen=True)
class Seen:
    """Pooled features [n f] and, where there was a truth, the distance to it [n]."""

    pooled: Tensor
    distance: Tensor


class Features:
    """The network at one size of frames. Raises UserError when its weights are not installed."""

    def __init__(self, size: tuple[int, int]) -> None:
        network = load_efficientnet("lite2")
        width = max(1, round(HEIGHT * size[1] / size[0] / MULTIPLE)) * MULTIPLE
        self.size = HEIGHT, width
        self.run = _fast(lambda pictures: _outputs(network, pictures))

    @torch.inference_mode()
    def compare(
        self,
        truth: Tensor,
        others: Mapping[str, Tensor],
        advance: Callable[[int], None] = lambda count: None,
    ) -> dict[str, Seen]:
        """Features of `truth` and of `others`, uint8 [n H W 3] each, and distances to the truth.

        The truth is under the name "real".
        """
        parts: dict[str, list[Seen]] = {name: [] for name in ("real", *others)}
        for start in range(0, len(truth), BATCH):
            rows = slice(start, start + BATCH)
            real = self._outputs_of(truth[rows])
            parts["real"].append(Seen(real[0], torch.zeros(len(real[0]))))
            for name, frames in others.items():
                found = self._outputs_of(frames[rows])
                parts[name].append(Seen(found[0], _distance(found[1:], real[1:])))
            advance(len(real[0]) * len(parts))
        return {
            name: Seen(torch.cat([s.pooled for s in seen]), torch.cat([s.distance for s in seen]))
            for name, seen in parts.items()
        }

    @torch.inference_mode()
    def pooled(self, frames: Tensor, advance: Callable[[int], None] = lambda count: None) -> Tensor:
        """Features [... f] of frames uint8 [... H W 3]."""
        found = []
        for part in frames.flatten(0, -4).split(BATCH):
            found.append(self._outputs_of(part)[0])
            advance(len(part))
        return torch.cat(found).view(*frames.shape[:-3], -1)

    def _outputs_of(self, frames: Tensor) -> tuple[Tensor, ...]:
        pictures = to_float(frames)
        larger = F.interpolate(pictures, size=self.size, mode="bicubic", antialias=True)
        return self.run(larger.clamp(0, 1))


def _outputs(network: EfficientNetLite, pictures: Tensor) -> tuple[Tensor, ...]:
    """Pooled features [b f] and the compared maps, of unit length at each place [b c h w]."""
    stages = network.stages(pictures)
    pooled = F.relu6(network.head(stages[-1])).mean(dim=(2, 3))
    return (pooled, *(F.normalize(stages[i], dim=1, eps=1e-6) for i in COMPARED))


def _distance(a: tuple[Tensor, ...], b: tuple[Tensor, ...]) -> Tensor:
    """Squared distance of unit features, the mean over places and stages [n], 0 to 4.

    The form of LPIPS (Zhang et al. 2018, eq. 1) without its learned weights.
    """
    by_stage = [(x - y).square().sum(dim=1).mean(dim=(1, 2)) for x, y in zip(a, b, strict=True)]
    return torch.stack(by_stage).mean(dim=0)


def _fast(function: Callable[[Tensor], tuple[Tensor, ...]]) -> Callable[..., tuple[Tensor, ...]]:
    """`function` in float32, by OpenVINO where there is one: the same numbers to five digits."""
    graph = Graph(function, "f32")

    def run(pictures: Tensor) -> tuple[Tensor, ...]:
        try:
            return graph(pictures)
        except (RuntimeError, ImportError):
            return function(pictures)

    return run

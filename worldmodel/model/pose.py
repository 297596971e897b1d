"""Where a picture was taken: its position and view angle, from pictures whose poses are known.

A picture becomes a code: made small, freed of brightness and contrast, and projected onto the
principal components of a map's pictures (Turk & Pentland 1991). Those known pictures whose codes
are nearest say where it was taken. Walls up close look alike in many places; so a clip is followed
from a pose that is known, along the path of the least cost (Viterbi 1967).
Shapes: b pictures, t frames of a clip, n known pictures, k candidates of a frame, p numbers of a
small picture, d components, H W pixels. A pose is x and y in the map's units and the view angle in
degrees, counter-clockwise.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from worldmodel.errors import UserError

CANDIDATES = 48  # known pictures that a frame may be
JUDGES = 6  # of which so many are averaged
REACH = 1.3  # steps: farther from one frame to the next costs
ABOUT = 1.7  # steps: nearer to the chosen candidate are those that are averaged
HASTE = 4.0  # cost of one step too far, in median costs of a candidate


@dataclass(frozen=True, kw_only=True)
class PoseConfig:
    """Sizes, and the `game` whose map is known from so many pictures."""

    game: str
    pictures: int = 1  # the data decide
    height: int = 24
    width: int = 32
    components: int = 48

    def __post_init__(self) -> None:
        if min(self.pictures, self.height, self.width, self.components) < 1:
            raise UserError(f"sizes of a pose regressor must be at least 1, found {self}")
        if self.components > self.height * self.width * 3:
            raise UserError(
                f"pictures of {self.width}x{self.height} have at most "
                f"{self.height * self.width * 3} components, found {self.components}; give less"
            )


class PoseRegressor(nn.Module):
    """pose.follow(pictures [t 3 H W] in 0..1, start [3]) -> poses [t 3]."""

    mean: Tensor  # [p]
    basis: Tensor  # [p d]
    codes: Tensor  # [n d], float16
    known: Tensor  # [n 3], their poses
    step: Tensor  # [2], the largest in the game from a frame to the next: units, degrees

    def __init__(self, config: PoseConfig) -> None:
        super().__init__()
        self.config = config
        p, n, d = config.height * config.width * 3, config.pictures, config.components
        self.register_buffer("mean", torch.zeros(p))
        self.register_buffer("basis", torch.zeros(p, d))
        self.register_buffer("codes", torch.zeros(n, d, dtype=torch.float16))
        self.register_buffer("known", torch.zeros(n, 3))
        self.register_buffer("step", torch.ones(2))

    def encode(self, pictures: Tensor) -> Tensor:
        """Codes [b d] of pictures [b 3 H W] in 0..1."""
        size = self.config.height, self.config.width
        return (standardised(pictures, size) - self.mean) @ self.basis

    def poses(self, pictures: Tensor) -> Tensor:
        """Poses [b 3] of pictures [b 3 H W] in 0..1 of which nothing else is known."""
        candidates, costs = self.candidates(pictures)
        return self._average(candidates, costs, candidates[:, 0])

    def candidates(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Poses [b k 3] of the known pictures that are most like some [b 3 H W], nearest first, and
        the squared distances of their codes [b k]."""
        costs, nearest = self._distances(pictures).topk(self._count, largest=False)
        return self.known[nearest], costs

    def follow(self, pictures: Tensor, start: Tensor) -> Tensor:
        """Poses [t 3] of the frames [t 3 H W] in 0..1 of a clip that follows the pose `start` [3].

        Places that cannot be reached in time are not thought of, so that a picture which tells
        nothing is taken for one of those nearby.
        """
        far = self._distances(pictures)
        steps = torch.arange(2, len(far) + 2)  # one more than there were
        away = pose_errors(self.known, start)[:, 0]  # [n]
        reach = (REACH * self.step[0] * steps).clamp_min(away.kthvalue(self._count).values)
        far = far.masked_fill(away > reach[:, None], torch.inf)
        costs, nearest = far.topk(self._count, largest=False)
        candidates = self.known[nearest]  # [t k 3]
        path = self._path(candidates, costs / costs[costs.isfinite()].median(), start)
        chosen = candidates[torch.arange(len(path)), path]
        return self._average(candidates, costs, chosen)

    @property
    def _count(self) -> int:
        return min(CANDIDATES, len(self.known))

    def _distances(self, pictures: Tensor) -> Tensor:
        """Squared distances [b n] of codes."""
        own, codes = self.encode(pictures), self.codes.float()
        lengths = own.square().sum(1, keepdim=True) + codes.square().sum(1)
        return (lengths - 2 * own @ codes.T).clamp_min(1e-3)

    def _path(self, candidates: Tensor, costs: Tensor, start: Tensor) -> Tensor:
        """Of candidates [t k 3] at costs [t k] those [t] on the cheapest path from `start` [3]."""
        total, came = self._haste(start[None], candidates[0])[0] + costs[0], []
        for (before, after), cost in zip(pairwise(candidates), costs[1:], strict=True):
            cheapest = (total[:, None] + self._haste(before, after)).min(dim=0)
            total = cheapest.values + cost
            came.append(cheapest.indices)
        path = [int(total.argmin())]
        for indices in reversed(came):
            path.append(int(indices[path[-1]]))
        return torch.tensor(path[::-1])

    def _haste(self, before: Tensor, after: Tensor) -> Tensor:
        """What it costs [j k] to come from poses [j 3] to poses [k 3] within a frame."""
        steps = pose_errors(before[:, None], after[None]) / self.step
        return HASTE * (steps - REACH).clamp_min(0).square().sum(dim=-1)

    def _average(self, candidates: Tensor, costs: Tensor, chosen: Tensor) -> Tensor:
        """Mean pose [b 3] of the best candidates [b k 3] about the chosen ones [b 3]."""
        steps = pose_errors(candidates, chosen[:, None]) / self.step
        costs = costs.masked_fill((steps > ABOUT).any(dim=-1), torch.inf)
        costs, best = costs.topk(min(JUDGES, costs.shape[1]), largest=False)
        x, y, angle = candidates.gather(1, best[..., None].expand(-1, -1, 3)).unbind(-1)
        weight = 1 / costs
        weight = weight / weight.sum(dim=1, keepdim=True)
        sine, cosine = ((weight * wave(angle.deg2rad())).sum(1) for wave in (torch.sin, torch.cos))
        turned = torch.atan2(sine, cosine).rad2deg() % 360
        return torch.stack([(weight * x).sum(1), (weight * y).sum(1), turned], dim=1)


def standardised(pictures: Tensor, size: tuple[int, int]) -> Tensor:
    """Pictures [b 3 H W] in 0..1, made small, with mean 0 and standard deviation 1: [b p]."""
    small = F.interpolate(pictures, size=size, mode="area").flatten(1)
    return (small - small.mean(1, keepdim=True)) / (small.std(1, keepdim=True) + 0.02)


def pose_errors(a: Tensor, b: Tensor) -> Tensor:
    """Distance in map units and angle in degrees, 0 to 180, between poses [... 3]: [... 2]."""
    apart = (a[..., :2] - b[..., :2]).square().sum(-1).sqrt()
    turned = ((a[..., 2] - b[..., 2] + 180) % 360 - 180).abs()
    return torch.stack([apart, turned], dim=-1)

"""Whereabouts: where on a map its player stands, from what he sees and the keys that he holds.

A picture that is not dreamed tells it: the view from where he should be is compared with it, and
the pose is changed until they agree (Gauss and Newton's method; Lucas and Kanade 1981). Whoever is
not known yet, or is lost, is first looked for among all known pictures of the map. What is dreamed
begins from the view, so there the keys decide.
Shapes: b players, r controls remembered, m controls, k candidates, H W pixels.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from worldmodel.model.atlas import Atlas
from worldmodel.model.camera import Camera, axes
from worldmodel.model.pose import PoseRegressor, pose_errors
from worldmodel.model.stride import STATE

NEAR = 2, 1, 1, 1  # pixels to a side that count as one, at each step to a pose that was expected
FAR, CLOSE = (8, 8, 4, 4, 2), (2, 2, 1, 1, 1)  # and to one that was looked for
CLOSELY = 4  # candidates that are looked at closely
SPARSE = 8  # pixels to a side for one that tells how far a view moves
HALF = 2  # times smaller are the views that are looked at first
PIXEL = 0.05  # difference of colours that says nothing, 0..1
DOUBT = 4.0, 4.0, 3.0, 3.0  # ahead, aside, degrees and up: how far an expected pose may be wrong
SEARCH = 12.0, 12.0, 6.0, 8.0  # and one that was looked for
BETTER = 0.5  # times: rooms are like each other, and nobody leaps for a trifle
SURE, LOST = 0.002, 0.012  # mean square difference: nobody looks further; nobody is there
PLACES = 12  # candidates that are looked at
APART = 24.0, 15.0  # map units or degrees between them


class Whereabouts(nn.Module):
    """An atlas, and what finds pictures of its map."""

    def __init__(self, atlas: Atlas, finder: PoseRegressor) -> None:
        super().__init__()
        self.atlas, self.stride, self.finder = atlas, atlas.stride, finder
        self.half, self.sparse = atlas.camera.smaller(HALF), atlas.camera.smaller(SPARSE)

    def unknown(self, like: Tensor) -> Tensor:
        """The state [b 8] of b players, `like` [b ...], of whom nothing is known."""
        return like.new_full((len(like), STATE), torch.nan)

    def onward(self, states: Tensor, recent: Tensor) -> Tensor:
        """States [b 8] one frame later, under the last controls [b r m], the newest first."""
        return self.stride(states, recent, self.atlas.walls)

    def view(self, before: Tensor, states: Tensor) -> tuple[Tensor, Tensor]:
        """What is seen from states [b 8], pictures [b 3 H W], and by how many pixels it moves on
        average [b] since those `before` [b 8]; grey where a state is not known."""
        size = self.atlas.config.camera
        pictures = states.new_full((len(states), 3, size.height, size.width), 0.5)
        moves = states.new_full((len(states),), torch.inf)
        for i in states.isfinite().all(dim=1).nonzero()[:, 0].tolist():
            pose, last = states[i, :4], before[i, :4]
            pictures[i], depths = self.atlas.view(pose)
            ahead, aside = axes(pose[2])
            step, turn = pose[:2] - last[:2], (pose[2] - last[2] + 180) % 360 - 180
            change = torch.stack([step @ ahead, step @ aside, turn, pose[3] - last[3]])
            ways = torch.stack(
                self.sparse.slopes(depths[SPARSE // 2 :: SPARSE, SPARSE // 2 :: SPARSE])
            )
            ways = SPARSE * torch.einsum("v s h w, s -> v h w", ways, change)
            moves[i] = ways.abs().amax(0).mean()
        return pictures, moves

    def found(self, before: Tensor, expected: Tensor, pictures: Tensor) -> Tensor:
        """The states [b 8] of players who see these pictures [b 3 H W], after those of the frame
        before [b 8], when these are `expected`; NaN where no view is like the picture."""
        poses = [self.pose(*each) for each in zip(pictures, expected[:, :4], strict=True)]
        return self.stride.found(before, torch.stack(poses))

    def pose(self, picture: Tensor, expected: Tensor) -> Tensor:
        """The pose [4] from which a picture [3 H W] was seen, near the `expected` one [4], if that
        is not NaN, or anywhere; NaN if there is none."""
        followed = None
        if expected.isfinite().all():
            followed = self.nearer(picture, expected, NEAR, DOUBT)
            if followed[1] <= SURE:
                return followed[0]
        looked = [self.nearer(picture, place, FAR, SEARCH) for place in self.places(picture)]
        looked.sort(key=lambda each: each[1])
        closely = [self.nearer(picture, place, CLOSE, SEARCH) for place, _ in looked[:CLOSELY]]
        best = min(closely, key=lambda each: each[1])
        if followed and best[1] > BETTER * followed[1]:
            best = followed
        return best[0] if best[1] <= LOST else torch.full_like(best[0], torch.nan)

    def places(self, picture: Tensor) -> list[Tensor]:
        """Poses [4] of known pictures that are most like one [3 H W], each elsewhere."""
        chosen: list[Tensor] = []
        for pose in self.finder.candidates(picture[None])[0][0]:
            far = [pose_errors(pose, other[:3]) for other in chosen]
            if all(units > APART[0] or degrees > APART[1] for units, degrees in far):
                chosen.append(torch.cat([pose, pose.new_tensor([self.stride.config.eye])]))
            if len(chosen) == PLACES:
                break
        return chosen

    def nearer(
        self, picture: Tensor, pose: Tensor, blurs: tuple[int, ...], doubt: tuple[float, ...]
    ) -> tuple[Tensor, float]:
        """A pose [4] made to fit a picture [3 H W], not much farther off than the `doubt` says in
        each direction; and by how much the view differs from it then, mean squares. At every step
        so many pixels to a side count as one."""
        believed = (PIXEL / pose.new_tensor(doubt)).square()
        best, least, moved = pose, torch.inf, torch.zeros_like(pose)
        half = F.avg_pool2d(picture[None], HALF)[0]
        for i, blur in enumerate((*blurs, blurs[-1])):
            shown, by = (half, self.half) if blur >= HALF else (picture, self.atlas.camera)
            view, depths = self.atlas.view(pose, by)
            off = float((shown - view).square().mean())
            if off < least or blur != blurs[max(0, i - 1)]:
                best, least = pose, off
            if i == len(blurs):
                break
            pooled = blur // HALF if blur >= HALF else blur
            change = self._change(shown, view, depths, by, believed, moved, pooled)
            moved = moved + change
            pose = self._changed(pose, change)
        return best, least

    def _change(
        self, picture: Tensor, view: Tensor, depths: Tensor, by: Camera, believed: Tensor,
        moved: Tensor, blur: int,
    ) -> Tensor:  # fmt: skip
        """By how much [4] a pose is wrong, ahead, to the right, in degrees and upwards, from where
        a picture [3 H W] looks like this view of a camera."""
        right, down = by.slopes(depths)
        if blur > 1:
            picture, view, right, down = (
                F.avg_pool2d(each[None], blur)[0] for each in (picture, view, right, down)
            )
            right, down = right / blur, down / blur
        both = (picture + view) / 2
        across = F.pad((both[..., 2:] - both[..., :-2]) / 2, (1, 1))
        along = F.pad((both[:, 2:] - both[:, :-2]) / 2, (0, 0, 1, 1))
        slope = -(across[:, None] * right + along[:, None] * down)  # [3 4 h w]
        steep = slope.movedim(1, 0).flatten(1)  # [4 n]
        rest = (picture - view).flatten()
        weight = 1 / (1 + (rest / (2 * PIXEL)).square())  # of what does not fit at all, less
        normal = (steep * weight) @ steep.T / weight.sum()
        towards = (steep * weight) @ rest / weight.sum()
        few = 1 / 500  # pictures are smooth: so many of their pixels say something of their own
        normal = normal + few * torch.diag(believed)
        return torch.linalg.solve(normal, towards - few * believed * moved).clamp(-12, 12)

    def _changed(self, pose: Tensor, change: Tensor) -> Tensor:
        turned = pose[2].deg2rad()
        sine, cosine = turned.sin(), turned.cos()
        ahead, right, turn, up = change
        return torch.stack([
            pose[0] + ahead * cosine + right * sine,
            pose[1] + ahead * sine - right * cosine,
            (pose[2] + turn) % 360,
            pose[3] + up,
        ])  # fmt: skip

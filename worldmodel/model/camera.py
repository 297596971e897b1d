"""Camera: what a player sees of walls that stand upright between a flat floor and ceiling.

Maps of the first kind of first-person games are drawn so: every column of a picture meets one wall,
above which lies the ceiling and below which the floor. A pose is x and y in the map's units, the
view angle in degrees, counter-clockwise from east, and the height of the eye.
Shapes: b poses, m walls (x1, y1, x2, y2), H W pixels.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

NEAREST, FARTHEST = 1.0, 4096.0  # map units: no wall is nearer, or is seen from farther off


@dataclass(frozen=True, kw_only=True)
class CameraConfig:
    """A pinhole camera that looks straight ahead: its size, focal lengths in pixels, the map's
    floor and ceiling."""

    height: int = 96
    width: int = 128
    across: float = 64.0
    down: float = 76.8
    floor: float = 0.0
    ceiling: float = 128.0


class Camera:
    """What a `CameraConfig` means for every pixel."""

    def __init__(self, config: CameraConfig) -> None:
        self.config = config
        self.x = (torch.arange(config.width) + 0.5 - config.width / 2) / config.across  # [W]
        y = (torch.arange(config.height) + 0.5 - config.height / 2) / config.down
        self.y = torch.where(y.abs() < 1e-6, 1e-6, y)  # [H]

    def smaller(self, times: int) -> "Camera":
        """The same with so many pixels to a side for one, which it shows as it is in the middle."""
        size = self.config
        return Camera(
            replace(
                size, height=size.height // times, width=size.width // times,
                across=size.across / times, down=size.down / times,
            )
        )  # fmt: skip

    def walls(self, poses: Tensor, walls: Tensor) -> Tensor:
        """How far along the view the wall [b W] is that each column meets."""
        ahead, aside = axes(poses[:, 2])
        x = self.x.to(poses.device)
        rays = ahead[:, None] + x[None, :, None] * aside[:, None]  # [b W 2]
        along = walls[:, 2:] - walls[:, :2]
        to = walls[None, :, :2] - poses[:, None, :2]  # [b m 2]
        across = _cross(rays[:, :, None], along)  # [b W m]
        far = _cross(to, along)[:, None] / across
        at = _cross(to[:, None], rays[:, :, None]) / across
        met = (far > NEAREST) & (at >= -1e-3) & (at <= 1 + 1e-3)
        return torch.where(met, far, FARTHEST).amin(dim=-1)

    def depths(self, height: Tensor, walls: Tensor) -> Tensor:
        """How far along the view [H W] what each pixel shows is, for an eye at a height and walls
        [W] so far off."""
        above, below = height - self.config.ceiling, height - self.config.floor
        y = self.y.to(walls.device)
        plane = torch.where(y > 0, below, above) / y
        return torch.minimum(walls[None], plane[:, None])

    def rays(self, pose: Tensor) -> Tensor:
        """The way on the map [W 2] that each column looks, as far as it goes a unit ahead."""
        ahead, aside = axes(pose[2])
        return ahead + self.x.to(pose.device)[:, None] * aside

    def slopes(self, depths: Tensor) -> tuple[Tensor, Tensor]:
        """By how many pixels to the right and down [4 H W] what is so far off moves when the eye
        goes a unit ahead, one to the right, turns left by a degree, and rises by a unit."""
        x, y = self.x.to(depths.device)[None], self.y.to(depths.device)[:, None]
        near, turn, none = 1 / depths, torch.pi / 180, torch.zeros_like(depths)
        right = torch.stack([x * near, -near, (turn * (1 + x**2)).expand_as(near), none])
        down = torch.stack([y * near, none, turn * x * y, near])
        return self.config.across * right, self.config.down * down


def axes(angle: Tensor) -> tuple[Tensor, Tensor]:
    """Ahead and to the right [... 2] under view angles [...]."""
    turned = angle.deg2rad()
    sine, cosine = turned.sin(), turned.cos()
    return torch.stack([cosine, sine], dim=-1), torch.stack([sine, -cosine], dim=-1)


def _cross(a: Tensor, b: Tensor) -> Tensor:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]

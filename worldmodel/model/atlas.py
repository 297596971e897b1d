"""Atlas: recorded pictures of a map with their poses, from which any view of it is made.

A small network that has seen a map for some minutes does not know what lies behind its corners, and
answers with a fog in its colours. Some hundred recorded pictures do. Where a game tells poses and
walls, it is known how far off everything in them is: so they can be looked at from anywhere, as a
picture is made from others whose depth is known (McMillan and Bishop, Plenoptic modeling, SIGGRAPH
1995). As memory of a video model such a store is called spatial or a 3D cache (GEN3C, arXiv
2503.03751; arXiv 2506.05284). What the world dreams begins from the view.
Shapes: b poses, n recorded pictures, k candidates, s sources of a column, m walls, H W pixels.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from io import BytesIO

import numpy as np
import torch
from einops import EinopsError, rearrange
from PIL import Image
from torch import Tensor, nn

from worldmodel.errors import UserError
from worldmodel.model.camera import Camera, CameraConfig, axes
from worldmodel.model.stride import Stride, StrideConfig

QUALITY = 90  # of the pictures as they are kept, of 100
SIDE = 8  # pictures to the side of a sheet, as they are kept
CANDIDATES = 24  # pictures that may be sources of a view
UNIT, TURN = 30.0, 35.0  # map units and degrees that make a picture as unlikely a candidate
BEHIND = 1.03, 2.0  # a wall in the way: so many times nearer, and units
CLOSEST = 4.0  # map units: what is nearer to a source is not taken from it
FARTHER, NEARER, AWAY = 3.0, 1.0, 60.0  # what counts against a source; the last in map units
HIDDEN = 1e3
BACK = 12.0  # map units: one more source is chosen from so far behind, that sees floor and ceiling


@dataclass(frozen=True, kw_only=True)
class AtlasConfig:
    """So many pictures that are so many bytes together, and so many walls."""

    count: int = 1
    bytes: int = 1
    walls: int = 1
    game: str = ""
    camera: CameraConfig = field(default_factory=CameraConfig)
    stride: StrideConfig = field(default_factory=StrideConfig)

    def __post_init__(self) -> None:
        if min(self.count, self.bytes, self.walls) < 1:
            raise UserError(f"an atlas must have pictures and walls, found {self}")


class Atlas(nn.Module):
    """atlas(poses [b 4]) -> pictures [b 3 H W] in 0..1."""

    encoded: Tensor  # uint8 [size], AVIF files one after the other: sheets of SIDE x SIDE pictures
    ends: Tensor  # int64 [sheets], where each of them ends
    poses: Tensor  # [n 4], x, y, degrees, height of the eye
    walls: Tensor  # [m 4], x1, y1, x2, y2

    def __init__(self, config: AtlasConfig) -> None:
        super().__init__()
        self.config, self.camera = config, Camera(config.camera)
        self.stride = Stride(config.stride)
        sheets = -(-config.count // SIDE**2)
        self.register_buffer("encoded", torch.zeros(config.bytes, dtype=torch.uint8))
        self.register_buffer("ends", torch.zeros(sheets, dtype=torch.int64))
        self.register_buffer("poses", torch.zeros(config.count, 4))
        self.register_buffer("walls", torch.zeros(config.walls, 4))
        self._hung: tuple[Tensor, Tensor] | None = None

    def forward(self, poses: Tensor) -> Tensor:
        return torch.stack([self.view(pose)[0] for pose in poses])

    def view(self, pose: Tensor, by: Camera | None = None) -> tuple[Tensor, Tensor]:
        """The picture [3 H W] from a pose [4], and how far off all in it is [H W]; as its own
        camera sees it or another one."""
        by = by or self.camera
        walls = by.walls(pose[None], self.walls)[0]
        depths = by.depths(pose[3], walls)
        rows, shown = self.sources(pose, walls, by)
        camera, size = self.camera.config, (self.camera.config.height, self.camera.config.width)
        taken = self.poses[rows]  # [s W 4]
        away, ray = pose[:2] - taken[..., :2], by.rays(pose)  # d far off is pose + d ray
        ahead, aside = axes(taken[..., 2])
        far, across = (
            (away * axis).sum(-1)[:, None] + depths * (ray * axis).sum(-1)[:, None]
            for axis in (ahead, aside)
        )  # [s H W]
        down = (taken[..., 3] - pose[3])[:, None] + by.y.to(depths.device)[:, None] * depths
        near = 1 / far
        across = (across * near).mul_(camera.across).add_(size[1] / 2 - 0.5)
        down = down.mul_(near).mul_(camera.down).add_(size[0] / 2 - 0.5)
        there = shown[:, None] & (far > CLOSEST)
        there &= (across > -1) & (across < size[1]) & (down > -1) & (down < size[0])
        row, across, down = (
            torch.where(there[0], *each) for each in (rows[:, None], across, down)
        )  # the best one, or what is before it
        pictures, _ = self.hung()
        return _bilinear(pictures, row, across, down, size), depths

    def sources(self, pose: Tensor, walls: Tensor, by: Camera) -> tuple[Tensor, Tensor]:
        """The pictures [2 W] that show best what the columns meet that a camera sees from a pose
        [4], walls so far off [W], and best what is before it; and whether they do [2 W]."""
        away = (self.poses[:, :2] - pose[:2]).square().sum(-1).sqrt()
        turned = (self.poses[:, 2] - pose[2] + 180) % 360 - 180
        cost = away / UNIT + (turned / TURN).square()
        rows = cost.topk(min(CANDIDATES, len(cost)), largest=False).indices
        met = pose[:2] + walls[:, None] * by.rays(pose)  # [W 2]
        taken, width = self.poses[rows], self.camera.config.width
        ahead, aside = axes(taken[:, 2])
        to = met - taken[:, None, :2]  # [k W 2]
        far = (to * ahead[:, None]).sum(-1)
        across = (to * aside[:, None]).sum(-1) / far
        column = (across * self.camera.config.across + width / 2).nan_to_num(0.0)
        column = column.clamp(0, width - 1).long()
        _, depths = self.hung()
        nearest = depths[rows].gather(1, column)
        shows = (far > CLOSEST) & (across.abs() < float(self.camera.x[-1]))
        shows &= nearest * BEHIND[0] + BEHIND[1] > far
        detail = (far / walls).log()
        cost = FARTHER * detail.clamp_min(0) - NEARER * detail.clamp_max(0)
        near = (walls + BACK - far).clamp_min(0) / UNIT
        costs = torch.stack([cost, near]) + away[rows, None] / AWAY
        best = costs.masked_fill(~shows, HIDDEN).min(dim=1)  # nothing that is hidden is a number
        return rows[best.indices], best.values < HIDDEN

    def hung(self) -> tuple[Tensor, Tensor]:
        """All pictures, uint8 [n H W 4], and how far off a wall may be that their columns show
        [n W]. Decoded at the first call; raises UserError if they are damaged."""
        if self._hung is None:
            with ThreadPoolExecutor() as pool:
                sheets = list(pool.map(self._sheet, range(len(self.ends))))
            pictures = torch.cat(sheets)[: self.config.count].to(self.encoded.device)
            depths = torch.cat([self.camera.walls(p, self.walls) for p in self.poses.split(64)])
            depths = nn.functional.max_pool1d(depths[:, None], 3, 1, 1)[:, 0]
            self._hung = pictures, depths
        return self._hung

    def _sheet(self, row: int) -> Tensor:
        """The pictures of a sheet, uint8 [SIDE^2 H W 4]."""
        begin = int(self.ends[row - 1]) if row else 0
        file = self.encoded[begin : int(self.ends[row])].cpu().numpy().tobytes()
        try:
            with Image.open(BytesIO(file)) as sheet:
                found = torch.as_tensor(np.array(sheet.convert("RGBA")))
            size = {"h": self.camera.config.height, "w": self.camera.config.width}
            found = rearrange(found, "(r h) (s w) c -> (r s) h w c", r=SIDE, s=SIDE, **size)
            return found.contiguous()
        except (OSError, RuntimeError, EinopsError) as error:  # Pillow tells it so or so
            raise UserError(
                f"an atlas is damaged, or this Pillow reads no AVIF ({error}); copy the "
                "checkpoint again, or install a newer Pillow"
            ) from None


def _bilinear(
    pictures: Tensor, rows: Tensor, across: Tensor, down: Tensor, size: tuple[int, int]
) -> Tensor:
    """Of pictures uint8 [n H W 4] of some `size` those of these rows [h w], read at pixels so far
    across and down [h w]: [3 h w], in 0..1."""
    height, width = size
    across, down = (
        each.nan_to_num(0.0).clamp(0, last - 1.001)
        for each, last in ((across, width), (down, height))
    )
    left, top = across.floor(), down.floor()
    corner = (rows * (height * width) + (top * width + left).long()).flatten()
    packed = pictures.view(torch.int32).flatten()
    right, low = across - left, (down - top) / 255
    total = torch.zeros(rows.numel(), 4, device=rows.device)
    for y, high in enumerate((1 / 255 - low, low)):
        for x, wide in enumerate((1 - right, right)):
            taken = packed[corner + (y * width + x)].view(torch.uint8).view(-1, 4)
            total.addcmul_(taken.float(), (high * wide).view(-1, 1))
    return rearrange(total[:, :3], "(h w) c -> c h w", h=rows.shape[0]).contiguous()


def atlas_of(
    pictures: np.ndarray, poses: np.ndarray, walls: np.ndarray, camera: CameraConfig, game: str,
    stride: Stride,
) -> Atlas:  # fmt: skip
    """The atlas of pictures uint8 [n H W 3] taken at poses [n 4] between walls [m 4]."""
    count, height, width = pictures.shape[:3]
    files = []
    for begin in range(0, count, SIDE**2):
        part = pictures[begin : begin + SIDE**2]
        blank = np.zeros((SIDE**2 - len(part), height, width, 3), np.uint8)
        sheet = rearrange(np.concatenate([part, blank]), "(r s) h w c -> (r h) (s w) c", r=SIDE)
        file = BytesIO()
        Image.fromarray(sheet).save(file, "AVIF", quality=QUALITY, subsampling="4:4:4")
        files.append(np.frombuffer(file.getvalue(), np.uint8))
    ends = np.cumsum([len(file) for file in files])
    sizes = AtlasConfig(
        count=count, bytes=int(ends[-1]), walls=len(walls), game=game, camera=camera,
        stride=stride.config,
    )  # fmt: skip
    found = Atlas(sizes)
    found.encoded.copy_(torch.as_tensor(np.concatenate(files)))
    for held, told in ((found.ends, ends), (found.poses, poses), (found.walls, walls)):
        held.copy_(torch.as_tensor(told))
    found.stride.load_state_dict(stride.state_dict())
    return found.eval()

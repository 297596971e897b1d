"""Stride: where the keys take a player who stands on a map.

A step goes on a little as the last one did and answers to the keys, those of opposite sense taken
together, and to how long they have been held: who turns for some frames turns faster. That is a
linear map, fitted to the recorded poses that no wall has changed. Walls let nobody nearer than a
body's radius, and who runs into one slides along it. The eye bobs up and down with the speed.
Shapes: b players, r controls remembered, m controls, a pairs of opposite ones, f features, w walls.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from worldmodel.errors import UserError
from worldmodel.model.camera import axes

PUSHES = 3  # times that walls push a player out of them: corners have two
PIECE = 0.75  # radii that are gone at once
STATE = 8  # x, y, degrees, height of the eye, step east and north, sine and cosine of the bob


@dataclass(frozen=True, kw_only=True)
class StrideConfig:
    """What a step depends on: `opposites`, controls of opposite sense, two by two, and `history`
    controls."""

    opposites: tuple[int, ...] = (0, 1, 2, 3, 4, 5)
    history: int = 8
    radius: float = 16.0  # map units
    eye: float = 41.0  # its height, standing
    period: float = 10.0  # frames of a bob
    rise: float = 0.0315  # of the eye, for each unit of a step, squared
    highest: float = 8.0

    def __post_init__(self) -> None:
        if self.history < 1 or min(self.radius, self.period) <= 0:
            raise UserError(f"sizes of a stride must be above 0, found {self}")
        if not self.opposites or len(self.opposites) % 2:
            raise UserError(f"opposites of a stride must be pairs, found {self.opposites}")

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        return tuple(zip(self.opposites[::2], self.opposites[1::2], strict=True))

    @property
    def features(self) -> int:
        return self.history * len(self.pairs)


class Stride(nn.Module):
    """stride(states [b 8], recent [b r m], walls [w 4]) -> states [b 8], one frame later.

    `recent` are the last controls, the newest first; a state is as `STATE` says, NaN if unknown.
    """

    step: Tensor  # [f+2 2], the way ahead and to the right
    turn: Tensor  # [f], degrees

    def __init__(self, config: StrideConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("step", torch.zeros(config.features + 2, 2))
        self.register_buffer("turn", torch.zeros(config.features))

    def forward(self, states: Tensor, recent: Tensor, walls: Tensor) -> Tensor:
        held = held_for(recent, self.config)
        angle = (states[:, 2] + held @ self.turn) % 360
        ahead, aside = axes(angle)
        last = torch.stack([(states[:, 4:6] * way).sum(-1) for way in (ahead, aside)], dim=-1)
        way = torch.cat([held, last], dim=-1) @ self.step
        place = self.led(states[:, :2], way[:, :1] * ahead + way[:, 1:] * aside, walls)
        step, bob = place - states[:, :2], self.bobbed(states[:, 6:])
        eye = self.config.eye + self.rise(step) * bob[:, 0]
        return torch.cat([place, angle[:, None], eye[:, None], step, bob], dim=-1)

    def led(self, places: Tensor, way: Tensor, walls: Tensor) -> Tensor:
        """Where those end [b 2] who go a way [b 2] from places [b 2]: piece by piece, each shorter
        than a body, so that nobody passes through a wall."""
        longest = way.norm(dim=-1).nan_to_num(0.0).max()
        pieces = max(1, math.ceil(float(longest) / (PIECE * self.config.radius)))
        for _ in range(pieces):
            places = pushed_out(places + way / pieces, walls, self.config.radius)
        return places

    def bobbed(self, bob: Tensor) -> Tensor:
        """Sine and cosine [b 2] of the bob one frame later."""
        turn = 2 * math.pi / self.config.period
        sine, cosine = bob.unbind(-1)
        cos, sin = math.cos(turn), math.sin(turn)
        return torch.stack([sine * cos + cosine * sin, cosine * cos - sine * sin], dim=-1)

    def rise(self, step: Tensor) -> Tensor:
        """How high [b] the eye bobs with a step [b 2]."""
        return (self.config.rise * step.square().sum(-1)).clamp_max(self.config.highest)

    def found(self, before: Tensor, pose: Tensor) -> Tensor:
        """The states [b 8] of players whose poses [b 4] were found, after those of the frame
        before, which may be unknown [b 8]."""
        known = before[:, :1].isfinite()
        step = torch.where(known, pose[:, :2] - before[:, :2], 0.0)
        rise = self.rise(step)
        told = rise > 1  # how the eye stands tells the bob
        sine = ((pose[:, 3] - self.config.eye) / rise.clamp_min(1)).clamp(-1, 1)
        cosine = (1 - sine.square()).sqrt()
        either = torch.stack([torch.stack([sine, sign * cosine], -1) for sign in (1, -1)])
        unknown = torch.tensor([0.0, 1.0], device=pose.device).expand(len(pose), 2)
        expected = torch.where(known, self.bobbed(before[:, 6:]), unknown)
        nearest = (either - expected).square().sum(-1).argmin(dim=0)
        bob = torch.where(
            told[:, None], either[nearest, torch.arange(len(pose), device=pose.device)], expected
        )
        return torch.cat([pose, step, bob], dim=-1)


def held_for(recent: Tensor, config: StrideConfig) -> Tensor:
    """What is held, of each pair -1, 0 or 1, and whether it has been for 2, 3, ... frames [b f]."""
    keys = recent.nan_to_num(0.0)[:, : config.history]
    senses = torch.stack([keys[..., a] - keys[..., b] for a, b in config.pairs], dim=-1).sign()
    going = (senses != 0).cumprod(dim=1)  # [b r a]
    return (going * senses[:, :1]).flatten(1)


def pushed_out(places: Tensor, walls: Tensor, radius: float) -> Tensor:
    """Places [b 2] moved to where no wall [w 4] is nearer than a radius."""
    player = torch.arange(len(places), device=places.device)
    for _ in range(PUSHES):
        off = _off(places, walls)
        far, nearest = off.norm(dim=-1).min(dim=1)
        way = off[player, nearest] / far.clamp_min(1e-6)[:, None]
        places = places + (radius - far).clamp_min(0)[:, None] * way
    return places


def wall_distances(places: Tensor, walls: Tensor) -> Tensor:
    """How far places [b 2] are from the nearest of walls [w 4], [b]."""
    return torch.cat([_off(part, walls).norm(dim=-1).amin(dim=1) for part in places.split(4096)])


def _off(places: Tensor, walls: Tensor) -> Tensor:
    """The way [b w 2] to each of places [b 2] from the nearest point of each wall [w 4]."""
    begin, along = walls[:, :2], walls[:, 2:] - walls[:, :2]
    length = along.square().sum(-1).clamp_min(1e-6)
    at = ((places[:, None] - begin) * along).sum(-1) / length
    return places[:, None] - (begin + at.clamp(0, 1)[..., None] * along)

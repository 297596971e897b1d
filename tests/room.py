"""A room whose walls, floor and ceiling have smooth colours: what one sees from where is known."""

import numpy as np
import torch
from strip import save_arrays

from worldmodel.games.base import ControlSpace
from worldmodel.model.atlas import Atlas, atlas_of
from worldmodel.model.camera import CameraConfig
from worldmodel.model.pose import PoseConfig, PoseRegressor, standardised
from worldmodel.model.stride import Stride, StrideConfig

SIZE = (16, 48)
# a square of 160 units, with a pillar in it
CORNERS = [(0, 0), (160, 0), (160, 160), (0, 160)], [(90, 90), (110, 90), (110, 110), (90, 110)]
WALLS = np.array(
    [(*a, *b) for ring in CORNERS for a, b in zip(ring, [*ring[1:], ring[0]], strict=True)],
    np.float32,
)
CEILING, EYE, LENS = 96.0, 41.0, (0.5, 0.6)
CAMERA = CameraConfig(height=16, width=48, across=24.0, down=28.8, floor=0.0, ceiling=CEILING)
SPACE = ControlSpace(
    buttons=("forward", "backward", "turn_left", "turn_right"),
    keymap={"KeyW": "forward", "KeyS": "backward", "KeyA": "turn_left", "KeyD": "turn_right"},
    opposites=(("forward", "backward"), ("turn_left", "turn_right")),
)
HISTORY = 3
AHEAD, GOES_ON, TURN = 4.0, 0.5, 9.0  # of a step, of the step before, degrees


def look(x, y, angle, eye=EYE):
    """What is seen from there, float64 [16 48 3] in 0..1, ray by ray."""
    height, width = SIZE
    picture = np.zeros((height, width, 3))
    turn = np.deg2rad(angle)
    for column in range(width):
        aside = (column + 0.5 - width / 2) / (LENS[0] * width)
        ray = np.array([np.cos(turn), np.sin(turn)]) + aside * np.array(
            [np.sin(turn), -np.cos(turn)]
        )
        far = min(_met(np.array([x, y]), ray, wall) for wall in WALLS)
        for row in range(height):
            drop = (row + 0.5 - height / 2) / (LENS[1] * width)
            plane = (eye - (0 if drop > 0 else CEILING)) / drop
            at = min(far, plane)
            place = np.array([x, y]) + at * ray
            picture[row, column] = colour(*place, eye - drop * at)
    return picture


def colour(x, y, height):
    """Of a place on a wall, the floor or the ceiling: each has its own."""
    return 0.5 + 0.45 * np.sin(
        np.array([x / 33 + height / 50, y / 29 - height / 41, (x - y) / 47 + height / 32])
    )


def _met(place, ray, wall):
    along = wall[2:] - wall[:2]
    matrix = np.stack([ray, -along], axis=1)
    if abs(np.linalg.det(matrix)) < 1e-9:
        return np.inf
    far, at = np.linalg.solve(matrix, wall[:2] - place)
    return far if far > 0 and -1e-9 <= at <= 1 + 1e-9 else np.inf


def pixels(*pose):
    """`look` as a recorded picture uint8 [16 48 3]."""
    return np.round(look(*pose) * 255).astype(np.uint8)


def poses():
    """Where the pictures of the room were taken, float32 [n 4]."""
    places = [(x, y) for x in (30, 65, 130) for y in (30, 65, 130)]
    return np.array([(*p, angle, EYE) for p in places for angle in range(0, 360, 30)], np.float32)


def stride():
    """How one walks there: as `Room` lets one."""
    config = StrideConfig(opposites=(0, 1, 2, 3), history=HISTORY, radius=8.0, rise=0.0)
    found = Stride(config)
    found.step[0, 0], found.step[-2, 0], found.step[-1, 1] = AHEAD, GOES_ON, GOES_ON
    found.turn[1] = TURN
    return found


def atlas() -> Atlas:
    pictures = np.stack([pixels(*pose) for pose in poses()])
    return atlas_of(pictures, poses(), WALLS, CAMERA, "room", stride())


def finder(atlas) -> PoseRegressor:
    """What finds the pictures of an atlas again."""
    pictures, _ = atlas.hung()
    small = standardised(pictures[..., :3].movedim(-1, 1).float() / 255, (8, 24))
    found = PoseRegressor(
        PoseConfig(game="room", pictures=len(small), height=8, width=24, components=32)
    )
    found.mean.copy_(small.mean(0))
    _, vectors = torch.linalg.eigh((small - small.mean(0)).T @ (small - small.mean(0)))
    found.basis.copy_(vectors.flip(1)[:, :32])
    found.codes.copy_((small - found.mean) @ found.basis)
    found.known.copy_(atlas.poses[:, :3])
    found.step.copy_(torch.tensor([8.0, TURN]))
    return found.eval()


class Room:
    """The room as a game: steps go on by half, and stop at walls. Never ends."""

    name, controls, fps, size, licence, done = "room", SPACE, 17.5, SIZE, "none", False
    walls, lens, heights = WALLS, LENS, np.array([[0, CEILING], [0, CEILING]], np.float32)
    eye = EYE

    def reset(self, seed):
        draw = np.random.default_rng(seed)
        self.place, self.angle = draw.uniform(30, 70, 2), float(draw.integers(360))
        self.going = np.zeros(2)
        return pixels(*self.pose)

    def step(self, controls):
        self.angle = (self.angle + TURN * (controls[2] - controls[3])) % 360
        turn = np.deg2rad(self.angle)
        going = GOES_ON * self.going + AHEAD * (controls[0] - controls[1]) * np.array(
            [np.cos(turn), np.sin(turn)]
        )
        there = np.clip(self.place + going, 8, 82)
        self.place, self.going = there, there - self.place
        return pixels(*self.pose)

    @property
    def pose(self):
        return *map(float, self.place), self.angle

    def close(self):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass


def record(folder, seeds, count=40):
    """Arrays of an episode for each seed, without video."""
    folder.mkdir(parents=True)
    frames, keys = [], []
    for seed in seeds:
        game, draw = Room(), np.random.default_rng(seed)
        own = np.zeros((count, 4), np.float32)
        for i in range(1, count):
            held = draw.integers(3, size=2)
            chosen = held[0] == 1, held[0] == 2, held[1] == 1, held[1] == 2
            own[i] = own[i - 1] if i % 4 else chosen
        frames.append(np.stack([game.reset(seed), *(game.step(control) for control in own[1:])]))
        keys.append(own)
    save_arrays(folder, Room, frames, keys, seeds)

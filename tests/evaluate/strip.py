"""A game that scrolls over a strip of noise: what a key does can be read from how it moves.

Turning goes round: after ROUND steps of one turn the picture is the first one again.
"""

import json

import numpy as np
import torch

from worldmodel.data.unpack import motion
from worldmodel.games.base import ControlSpace

SPACE = ControlSpace(
    buttons=("turn_left", "turn_right", "flash"),
    keymap={"ArrowLeft": "turn_left", "ArrowRight": "turn_right", "KeyF": "flash"},
    opposites=(("turn_left", "turn_right"),),
)
SIZE, STEP, ROUND = (16, 48), 4, 30
BRIGHT = 60


class Strip:
    """Turns by 4 pixels a step; `flash` makes this step's picture brighter. Never ends."""

    name, controls, fps, size, licence, done = "strip", SPACE, 17.5, SIZE, "none", False

    def reset(self, seed):
        noise = np.random.default_rng(seed).integers(0, 150, (SIZE[0] // 4, ROUND, 3))
        self.noise = noise.repeat(4, 0).repeat(STEP, 1).astype(np.uint8)
        self.place = int(np.random.default_rng(seed).integers(ROUND))
        return self._picture(False)

    def step(self, controls):
        self.place = (self.place + int(controls[1]) - int(controls[0])) % ROUND
        return self._picture(controls[2] > 0.5)

    @property
    def pose(self):
        return 10.0, -5.0, (-360.0 * self.place / ROUND) % 360

    def _picture(self, flash):
        columns = (np.arange(SIZE[1]) + STEP * self.place) % (STEP * ROUND)
        return self.noise[:, columns] + np.uint8(BRIGHT * flash)

    def close(self):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass


class Reader:
    """A judge that reads the strip's keys without fail."""

    class config:
        buttons, axes, reach = SPACE.buttons, (), 1

    def __call__(self, pictures):
        grey = (pictures * 255).round().mean(2)  # [b t H W]
        grey = grey - BRIGHT * (flash := grey.amin(dim=(2, 3)) >= BRIGHT)[..., None, None]
        before, after = grey[:, :-1], grey[:, 1:]
        left = (before[..., :-STEP] - after[..., STEP:]).abs().mean((2, 3)) < 1
        right = (before[..., STEP:] - after[..., :-STEP]).abs().mean((2, 3)) < 1
        return torch.stack([left, right, flash[:, 1:]], dim=-1).float() - 0.5


def some_keys(count, seed):
    """float32 [count 3]: first nothing, then keys held for three frames, no opposites."""
    draw = np.random.default_rng(seed)
    turn, flash = draw.integers(3, size=count // 3 + 1), draw.integers(2, size=count // 3 + 1)
    keys = np.stack([turn == 1, turn == 2, flash == 1], 1).repeat(3, 0)[:count]
    keys[0] = False
    return keys.astype(np.float32)


def record(folder, seeds, count=60):
    """Arrays of an episode for each seed, without the video that would change them a little."""
    folder.mkdir(parents=True)
    frames, keys = [], [some_keys(count, seed) for seed in seeds]
    for seed, own in zip(seeds, keys, strict=True):
        game = Strip()
        frames.append(np.stack([game.reset(seed), *(game.step(control) for control in own[1:])]))
    save_arrays(folder, Strip, frames, keys, seeds)


def save_arrays(folder, game, frames, keys, seeds):
    """What `prepare` writes of a game: frames and keys of an episode for each seed."""
    starts = np.cumsum([0, *map(len, frames)]).tolist()
    spans = [
        {"name": f"{i:06d}", "start": starts[i], "stop": starts[i + 1], "seed": seed,
         "player": "sticky"}
        for i, seed in enumerate(seeds)
    ]  # fmt: skip
    np.save(folder / "frames.npy", np.concatenate(frames))
    np.save(folder / "controls.npy", np.concatenate(keys))
    np.save(folder / "motion.npy", np.concatenate([motion(episode) for episode in frames]))
    record = {"source": str(seeds), "game": game.name, "licence": "none", "fps": game.fps,
              "size": list(game.size), "controls": game.controls.to_json(),
              "episodes": spans}  # fmt: skip
    (folder / "episodes.json").write_text(json.dumps(record))

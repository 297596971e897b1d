"""A small world that turns, looks up and down and walks: true answers to keys, as arrays."""

import json
from dataclasses import dataclass

import numpy as np

from worldmodel.data.unpack import motion
from worldmodel.games.base import ControlSpace

SPACE = ControlSpace(
    buttons=("forward", "turn_left", "turn_right", "look_up", "look_down"),
    keymap={
        "KeyW": "forward",
        "ArrowLeft": "turn_left",
        "ArrowRight": "turn_right",
        "ArrowUp": "look_up",
        "ArrowDown": "look_down",
    },
    opposites=(("turn_left", "turn_right"), ("look_up", "look_down")),
)
SIZE = (24, 32)
FPS = 20.0


def texture(seed=0):
    """float32 [96 192 3]: smooth noise that repeats at its edges."""
    noise = np.random.default_rng(seed).normal(size=(96, 192, 3))
    across, down = np.fft.fftfreq(192), np.fft.fftfreq(96)
    low = np.exp(-((across**2)[None] + (down**2)[:, None]) / (2 * 0.05**2))
    smooth = np.fft.ifft2(np.fft.fft2(noise, axes=(0, 1)) * low[..., None], axes=(0, 1)).real
    return (128 + 45 * smooth / smooth.std()).clip(30, 255).astype(np.float32)


TEXTURE = texture()


def view(x, y, zoom):
    """uint8 [24 32 3]: what is seen at a place, with bilinear sampling."""
    rows = y + (np.arange(SIZE[0]) - 11.5) * zoom
    columns = x + (np.arange(SIZE[1]) - 15.5) * zoom
    low_r, low_c = np.floor(rows).astype(int), np.floor(columns).astype(int)
    fr, fc = (rows - low_r)[:, None, None], (columns - low_c)[None, :, None]

    def at(dr, dc):
        return TEXTURE[np.ix_((low_r + dr) % 96, (low_c + dc) % 192)]

    top = at(0, 0) * (1 - fc) + at(0, 1) * fc
    bottom = at(1, 0) * (1 - fc) + at(1, 1) * fc
    return (top * (1 - fr) + bottom * fr).astype(np.uint8)


def held_keys(count, random, idle=0.1):
    """float32 [count 5]: keys held for some frames, the first frame's all zero."""
    controls = np.zeros((count, 5), np.float32)
    row = 1
    while row < count:
        length = int(random.integers(2, 12))
        if random.random() > idle:
            controls[row : row + length, 0] = random.random() < 0.5
            turn, look = random.integers(3, size=2)
            if turn:
                controls[row : row + length, turn] = 1
            if look:
                controls[row : row + length, 2 + look] = 1
        row += length
    return controls


def play(controls, random, dead=()):
    """uint8 [t 24 32 3]: action[k] produces frame[k]; walking gains speed over some frames."""
    alive = controls * ~np.isin(np.arange(5), [SPACE.buttons.index(name) for name in dead])
    x, y, depth, speed = random.uniform(0, 192), random.uniform(0, 96), random.uniform(0, 6), 0.0
    frames = []
    for forward, left, right, up, down in alive:
        x, y = x + 1.5 * (right - left), y + 1.0 * (down - up)
        speed = 0.6 * speed + 0.12 * forward
        depth += speed
        frames.append(view(x, y, 0.6 + 0.25 * (1 + np.sin(depth))))
    return np.stack(frames)


@dataclass
class Recording:
    frames: np.ndarray
    controls: np.ndarray
    seed: int
    name: str


def recordings(count=14, length=160, seed=0, dead=(), **keys):
    """Some episodes."""
    made = []
    for index in range(count):
        random = np.random.default_rng([seed, index])
        controls = held_keys(length, random, **keys)
        frames = play(controls, random, dead)
        made.append(Recording(frames, controls, 1000 * seed + index, f"{index:06d}"))
    return made


def write_arrays(folder, episodes, actions="known"):
    """Write a split as `prepare` does; return its folder."""
    folder.mkdir(parents=True)
    spans, stop = [], 0
    for episode in episodes:
        start, stop = stop, stop + len(episode.frames)
        span = {"name": episode.name, "start": start, "stop": stop, "seed": episode.seed}
        spans.append({**span, "player": "someone", "actions": actions})
    np.save(folder / "frames.npy", np.concatenate([e.frames for e in episodes]))
    np.save(folder / "controls.npy", np.concatenate([e.controls for e in episodes]))
    np.save(folder / "motion.npy", np.concatenate([motion(e.frames) for e in episodes]))
    record = {
        "source": f"{folder.name} {len(episodes)}",
        "game": "panorama",
        "licence": "none",
        "fps": FPS,
        "size": list(SIZE),
        "controls": SPACE.to_json(),
        "episodes": spans,
    }
    (folder / "episodes.json").write_text(json.dumps(record))
    return folder

"""What the tests of evaluation judge: a tiny recording, real pictures, and ways to spoil them."""

import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from play.playing import SIZE, SPACE

from worldmodel.checkpoint import load_config
from worldmodel.data.clips import FrameStore
from worldmodel.evaluate.features import Seen
from worldmodel.play.scene import load_scenes

DOOM = Path(__file__).resolve().parents[2] / "checkpoints" / "doom"
EPISODES, LENGTH = 3, 150


def write_store(folder, seeds=(11, 12, 13)):
    """A prepared split in which a striped wall slides to the left while `right` is held."""
    folder.mkdir(parents=True)
    draw = np.random.default_rng(0)
    controls = np.zeros((len(seeds) * LENGTH, SPACE.size), np.float32)
    controls[:, 3] = draw.random(len(controls)) < 0.7
    at = np.cumsum(controls[:, 3]).astype(int) * 2
    wall = draw.integers(0, 256, (SIZE[0], 400, 3), dtype=np.uint8)
    frames = np.stack([np.roll(wall, -shift, axis=1)[:, : SIZE[1]] for shift in at])
    change = np.abs(np.diff(frames.astype(np.int16), axis=0)).mean(axis=(1, 2, 3))
    motion = np.concatenate([[0.0], change]).astype(np.float32)
    motion[::LENGTH] = 0
    for name, array in (("frames", frames), ("controls", controls), ("motion", motion)):
        np.save(folder / f"{name}.npy", array)
    spans = [
        {"name": f"{i:06d}", "start": i * LENGTH, "stop": (i + 1) * LENGTH, "seed": seed,
         "player": "explorer"}
        for i, seed in enumerate(seeds)
    ]  # fmt: skip
    record = {
        "source": "tiny", "game": "none", "licence": "CC0-1.0", "fps": 2.0, "size": list(SIZE),
        "controls": SPACE.to_json(), "episodes": spans,
    }  # fmt: skip
    (folder / "episodes.json").write_text(json.dumps(record))
    return FrameStore(folder)


def doom_clips(frames=8):
    """Real frames of the shipped world's scenes, uint8 [8 t 96 128 3]."""
    config = load_config(DOOM)
    scenes = load_scenes(DOOM / "scenes", (96, 128), config.controls)
    return torch.stack([torch.from_numpy(scene.frames[-frames:]) for scene in scenes])


class MeanColours:
    """In the place of a network: a frame is known by the mean colours of its quarters."""

    size = SIZE

    def __init__(self, size):
        self.calls = 0

    def pooled(self, frames, advance=lambda count: None):
        self.calls += 1
        flat = frames.flatten(0, -4).float().movedim(-1, 1) / 255
        advance(len(flat))
        return F.adaptive_avg_pool2d(flat, 2).flatten(1).view(*frames.shape[:-3], -1)

    def compare(self, truth, others, advance=lambda count: None):
        real = self.pooled(truth, advance)
        found = {"real": Seen(real, torch.zeros(len(truth)))}
        for name, frames in others.items():
            seen = self.pooled(frames, advance)
            found[name] = Seen(seen, (seen - real).square().mean(dim=1))
        return found


def shifted(clips, by=4):
    return clips.roll(by, dims=-2)


def blurred(clips):
    flat = clips.flatten(0, 1).movedim(-1, 1).float()
    soft = F.avg_pool2d(F.pad(flat, (2, 2, 2, 2), mode="replicate"), 5, 1)
    return soft.round().to(torch.uint8).movedim(1, -1).view(clips.shape)


def noised(clips, by=12.0):
    noise = by * torch.randn(clips.shape, generator=torch.Generator().manual_seed(0))
    return (clips.float() + noise).round().clamp(0, 255).to(torch.uint8)


def darkened(clips):
    return (clips.float() * 0.8).round().to(torch.uint8)


def frozen(clips):
    return clips[:, :1].expand_as(clips)

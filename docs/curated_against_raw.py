"""Worlds trained on curated data against worlds trained on raw data, on the same held-out clips.

python docs/curated_against_raw.py data/doom/arrays runs/curated-0,runs/raw-0 ...

Each pair is of one seed. Prints what each world reaches on clips that move, and the difference of
each pair and of all: its 95 % interval is over held-out episodes, drawn again for both together.
"""

import sys
from pathlib import Path

import numpy as np
import torch

from worldmodel.data.clips import ClipSampler, FrameStore, gather
from worldmodel.evaluate.clips import Clips, moved, seeds_at
from worldmodel.evaluate.dreams import after_real, setting_of
from worldmodel.evaluate.figures import Figure, bootstrap
from worldmodel.evaluate.seen import require_unseen
from worldmodel.evaluate.ssim import psnr
from worldmodel.play.world import World, load_world
from worldmodel.train.objectives.rectified_flow import obeyed_loss

CLIPS, HORIZON, EVERY, PART = 192, 12, 4, 32
NAMES = ("next frame over repeating, dB", "loss", "loss ratio of shuffled keys")
Values = dict[str, np.ndarray]  # of each clip [b]


def moving_clips(world: World, store: FrameStore) -> Clips:
    """Clips drawn in proportion to their motion, with a fixed seed."""
    context = world.config.world.window
    length = context + HORIZON
    at = ClipSampler(store.episodes, store.motion, length=length, seed=0, moving=1.0).draw(0, CLIPS)
    frames = torch.from_numpy(gather(store.frames, at, length))
    latents = torch.stack([world.tokenizer.encode(clip) for clip in frames])
    controls = torch.from_numpy(gather(store.controls, at, length)).float()
    return Clips(frames, latents, controls, seeds_at(store, at), context)


def judged(world: World, clips: Clips) -> Values:
    """What a world does on each clip: gain and number of frames that move, losses."""
    truth, before = clips.truth[:, ::EVERY], clips.frames[:, clips.context - 1 : -1][:, ::EVERY]
    frames = after_real(world, clips, setting_of(world.config.play), EVERY)
    gain, moves = (psnr(frames, truth) - psnr(before, truth)).numpy(), moved(truth, before)
    losses = [
        torch.cat([obeyed_loss(world.network, world.carrier, *part) for part in parts]).mean(1)
        for parts in (
            list(zip(clips.latents.split(PART), keys.split(PART), strict=True))
            for keys in (clips.controls, clips.controls.roll(1, 0))
        )
    ]
    true, shuffled = (loss.numpy() for loss in losses)
    return {
        "gain": (gain * moves).sum(1), "frames": moves.sum(1), "true": true, "shuffled": shuffled
    }  # fmt: skip


def figures(values: Values) -> tuple[float, float, float]:
    total = {name: value.sum() for name, value in values.items()}
    clips = total["clips"]
    return (
        total["gain"] / total["frames"],
        total["true"] / clips,
        total["shuffled"] / total["true"],
    )


def difference(pairs: list[tuple[Values, Values]], name: int, seeds: np.ndarray) -> Figure:
    """Of curated and raw, in the mean over pairs; clips of an episode are drawn together."""
    episodes, place = np.unique(seeds, return_inverse=True)
    parts, columns = [], []
    for pair in pairs:
        for values in pair:
            parts.append(tuple(values))
            columns += [
                np.bincount(place, value, minlength=len(episodes)) for value in values.values()
            ]
    width = len(parts[0])

    def measure(*sums: np.ndarray) -> float:
        worlds = [
            figures(dict(zip(names, sums[i * width : (i + 1) * width], strict=True)))[name]
            for i, names in enumerate(parts)
        ]
        return float(np.mean(worlds[::2]) - np.mean(worlds[1::2]))

    return bootstrap(*columns, statistic=measure, seeds=seeds)


@torch.inference_mode()
def main() -> None:
    store = FrameStore(Path(sys.argv[1]) / "heldout")
    clips, pairs = None, []
    for argument in sys.argv[2:]:
        pair = []
        for run in argument.split(","):
            folder = Path(run) / "checkpoint"
            require_unseen(folder, store)
            world = load_world(folder, "cpu", "plain")
            clips = clips or moving_clips(world, store)
            pair.append(judged(world, clips) | {"clips": np.ones(len(clips))})
            said = zip(NAMES, figures(pair[-1]), strict=True)
            print(f"{run}: " + ", ".join(f"{name} {value:.4f}" for name, value in said), flush=True)
        pairs.append(tuple(pair))
    for label, some in [*((f"pair {i + 1}", [p]) for i, p in enumerate(pairs)), ("all", pairs)]:
        for index, name in enumerate(NAMES):
            found = difference(some, index, clips.seeds)
            print(f"{label}, curated less raw, {name}: {found}")


if __name__ == "__main__":
    main()

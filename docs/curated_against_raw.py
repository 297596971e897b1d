"""Worlds trained on curated data against worlds trained on raw data, on the same held-out clips.

python docs/curated_against_raw.py data/doom/arrays runs/curated-0,runs/raw-0 ...

Each pair is of one seed and one number of updates. Prints what each world reaches on clips that
move, and the difference of each pair and of all together, with its 95 % interval over held-out
episodes, which are drawn anew for both worlds at once.

Shapes: b clips, e episodes, 5 columns as COLUMNS says.
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

CLIPS, HORIZON, EVERY, PART = 96, 8, 2, 32
COLUMNS = ("gain", "frames that move", "loss", "loss under another clip's keys", "clips")
NAMES = ("next frame over repeating (dB)", "loss", "loss ratio of shuffled keys")


def moving_clips(world: World, store: FrameStore) -> Clips:
    """Clips drawn in proportion to their motion, with a fixed seed."""
    context = world.config.world.window
    length = context + HORIZON
    at = ClipSampler(store.episodes, store.motion, length=length, seed=0, moving=1.0).draw(0, CLIPS)
    frames = torch.from_numpy(gather(store.frames, at, length))
    latents = torch.stack([world.tokenizer.encode(clip) for clip in frames])
    controls = torch.from_numpy(gather(store.controls, at, length)).float()
    return Clips(frames, latents, controls, seeds_at(store, at), context)


def judged(world: World, clips: Clips) -> np.ndarray:
    """What a world does on each clip, float [b 5]."""
    truth, before = clips.truth[:, ::EVERY], clips.frames[:, clips.context - 1 : -1][:, ::EVERY]
    frames = after_real(world, clips, setting_of(world.config.play), EVERY)
    gain, moves = (psnr(frames, truth) - psnr(before, truth)).numpy(), moved(truth, before)
    losses = [loss(world, clips, keys) for keys in (clips.controls, clips.controls.roll(1, 0))]
    return np.stack([(gain * moves).sum(1), moves.sum(1), *losses, np.ones(len(clips))], axis=1)


def loss(world: World, clips: Clips, controls: torch.Tensor) -> np.ndarray:
    """The training loss of each clip [b] under any controls, at the same noise for every world."""
    parts = zip(clips.latents.split(PART), controls.split(PART), strict=True)
    found = [obeyed_loss(world.network, world.carrier, *part).mean(1) for part in parts]
    return torch.cat(found).numpy()


def figures(columns: np.ndarray) -> np.ndarray:
    """What NAMES says, of sums [5]."""
    gain, frames, true, shuffled, clips = columns
    return np.array([gain / frames, true / clips, shuffled / true])


def difference(pairs: list[tuple[np.ndarray, np.ndarray]], name: int, seeds: np.ndarray) -> Figure:
    """Curated less raw, in the mean over pairs of [b 5]; `seeds` [b] tell episodes apart."""
    _, place = np.unique(seeds, return_inverse=True)
    tables = []
    for columns in (side for pair in pairs for side in pair):
        table = np.zeros((place.max() + 1, len(COLUMNS)))  # e 5
        np.add.at(table, place, columns)
        tables.append(table)

    def measure(*drawn: np.ndarray) -> float:
        found = [figures(table.sum(0))[name] for table in drawn]
        return float(np.mean(found[::2]) - np.mean(found[1::2]))

    return bootstrap(*tables, statistic=measure, seeds=seeds)


def told(figure: Figure) -> str:
    return f"{figure.value:+.4f} ({figure.low:+.4f} to {figure.high:+.4f})"


@torch.inference_mode()
def main() -> None:
    store = FrameStore(Path(sys.argv[1]) / "heldout")
    clips, pairs = None, []
    for pair in sys.argv[2:]:
        found = []
        for run in pair.split(","):
            require_unseen(Path(run) / "checkpoint", store)
            world = load_world(Path(run) / "checkpoint", "cpu", "plain")
            clips = clips or moving_clips(world, store)
            found.append(judged(world, clips))
            said = zip(NAMES, figures(found[-1].sum(0)), strict=True)
            print(f"{run}: " + ", ".join(f"{name} {value:.4f}" for name, value in said), flush=True)
        pairs.append(tuple(found))
    for label, some in [
        *zip(sys.argv[2:], ([pair] for pair in pairs), strict=True),
        ("all", pairs),
    ]:
        for index, name in enumerate(NAMES):
            print(
                f"{label}: {name}, curated less raw: {told(difference(some, index, clips.seeds))}"
            )


if __name__ == "__main__":
    main()

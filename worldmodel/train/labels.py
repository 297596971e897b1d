"""Keys for video that has none: read by an inverse dynamics model, with its confidence.

Shapes: n frames of a split, m controls.
"""

from pathlib import Path

import numpy as np
import torch

from worldmodel.data.clips import FrameStore, Span, known
from worldmodel.data.plan import SPLITS
from worldmodel.data.progress import Progress
from worldmodel.data.views import write_view
from worldmodel.errors import UserError
from worldmodel.games.base import ControlSpace
from worldmodel.model.inverse_dynamics import InverseDynamics
from worldmodel.model.tokenizer import to_float
from worldmodel.train.judges import load_idm
from worldmodel.train.metrics import key_scores

CHUNK = 64  # transitions read at once


def label(
    data: Path, out: Path, *, idm: Path = Path("runs/idm"), threshold: float = 0.8,
    everything: bool = False, against: Path | None = None,
) -> None:  # fmt: skip
    """Write `out`: the splits of `data` with what the model `idm` reads where keys are unknown.

    Frames are linked, not copied. A frame whose confidence is below `threshold` stays unknown;
    confidence.npy float32 [n] has all of them, 1 where keys were recorded. With `everything`, or
    where the data has other controls than the model, recorded keys are replaced too. `against` are
    arrays of the same frames with recorded keys: agreement with them is printed. Raises UserError.
    """
    if not 0 <= threshold <= 1:
        raise UserError(f"the threshold is a probability in 0..1, found {threshold}")
    model, space = load_idm(idm)
    for split in splits_of(data):
        store = FrameStore(data / split)
        same = (store.space.buttons, store.space.axes) == (space.buttons, space.axes)
        missing = ~known(store) if same and not everything else np.ones(len(store), bool)
        read, confidence = read_keys(model, space, store, missing)
        sure = missing & (confidence >= threshold)
        controls = store.controls.copy() if same else np.full_like(read, np.nan)
        controls[missing], controls[sure] = np.nan, read[sure]
        note = {"labels of": str(idm), "threshold": threshold}
        write_view(store, out / split, controls, note, space=space, confidence=confidence)
        print(f"{split}: {missing.sum()} of {len(store)} frames had no keys, {sure.sum()} have now")
        if against and missing.any():
            print_agreement(FrameStore(against / split), space, controls, missing)


def splits_of(data: Path) -> list[str]:
    """The splits that are there; raises UserError when there is none."""
    found = [split for split in SPLITS if (data / split / "episodes.json").is_file()]
    if not found:
        raise UserError(f"{data} should hold arrays in train/ or heldout/; run worldmodel prepare")
    return found


@torch.inference_mode()
def read_keys(
    model: InverseDynamics, space: ControlSpace, store: FrameStore, wanted: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Controls float32 [n m] and their confidence float32 [n], of the `wanted` frames, bool [n].

    Confidence is the probability that every button is right, taking them as independent; 0 for an
    episode's first frame, of which no frame before tells anything, and 1 where nothing was asked.
    """
    controls = np.zeros((len(store), space.size), np.float32)
    confidence = np.where(wanted, 0, 1).astype(np.float32)
    progress = Progress(f"label {store.folder.name}", int(wanted.sum()), "frames")
    for episode in store.episodes:
        for start in range(episode.start + 1, episode.stop, CHUNK):
            rows = slice(start, min(start + CHUNK, episode.stop))
            if wanted[rows].any():
                guess = read_rows(model, store, episode, rows)
                chosen, sure = decided(guess, space)
                controls[rows] = chosen
                confidence[rows] = np.where(wanted[rows], sure, 1)
                progress.advance(int(wanted[rows].sum()))
    progress.finish()
    return controls, confidence


def read_rows(
    model: InverseDynamics, store: FrameStore, episode: Span, rows: slice
) -> torch.Tensor:
    """What the model reads [rows m], seeing as far around them as it can."""
    first = max(episode.start, rows.start - 1 - model.config.reach)
    last = min(episode.stop, rows.stop + model.config.reach)
    frames = torch.as_tensor(np.array(store.frames[first:last]))
    skipped = rows.start - 1 - first
    return model(to_float(frames)[None])[0, skipped : skipped + rows.stop - rows.start]


def decided(guess: torch.Tensor, space: ControlSpace) -> tuple[np.ndarray, np.ndarray]:
    """Controls [t m] of logits [t m] and the probability [t] that all buttons are right.

    Of opposite buttons only the likelier one is held.
    """
    count = len(space.buttons)
    shares = torch.sigmoid(guess[:, :count])
    held = shares > 0.5
    for pair in space.opposites:
        a, b = (space.buttons.index(name) for name in pair)
        held[:, a] &= shares[:, a] >= shares[:, b]
        held[:, b] &= shares[:, b] > shares[:, a]
    sure = torch.where(held, shares, 1 - shares).prod(dim=1)
    return torch.cat([held.float(), guess[:, count:]], dim=1).numpy(), sure.numpy()


def print_agreement(
    truth: FrameStore, space: ControlSpace, controls: np.ndarray, missing: np.ndarray
) -> None:
    """Print how the new labels of `missing` frames compare with recorded ones, button by button."""
    if truth.space.buttons != space.buttons or len(truth) < len(controls):
        raise UserError(f"{truth.folder} has other controls or frames; give the labelled arrays'")
    rows = np.flatnonzero(missing & ~np.isnan(controls).any(axis=1))
    count = len(space.buttons)
    recorded, read = (
        torch.as_tensor(x[rows, :count] > 0.5) for x in (truth.controls[: len(controls)], controls)
    )
    scores = key_scores(recorded, read)
    for name, *three in zip(space.buttons, *(s.tolist() for s in scores.values()), strict=True):
        print("  {:14} precision {:.3f}  recall {:.3f}  F1 {:.3f}".format(name, *three))
    print(f"  all buttons right in {(recorded == read).all(1).float().mean():.3f} of the labels")


def hide(data: Path, out: Path, *, share: float = 0.9, episodes: int = 0, seed: int = 0) -> None:
    """Write `out`: `data` with the keys of `share` of its training episodes unknown.

    For experiments with unlabelled video. `episodes` takes the first so many training episodes
    only (0: all). Held-out episodes stay as they are. Raises UserError.
    """
    if not 0 <= share <= 1 or episodes < 0:
        raise UserError(f"a share lies in 0..1 and episodes are 0 or more: {share}, {episodes}")
    for split in splits_of(data):
        store = FrameStore(data / split)
        count, controls = len(store.episodes), np.array(store.controls)
        note: dict[str, object] = {"recorded keys of": str(store.folder)}
        if split == SPLITS[0]:
            count = min(episodes or count, count)
            hidden = np.random.default_rng(seed).permutation(count)[: round(share * count)]
            for index in hidden:
                controls[store.episodes[index].start : store.episodes[index].stop] = np.nan
            note |= {"hidden": sorted(store.episodes[i].name for i in hidden)}
            print(f"{split}: the keys of {len(hidden)} of {count} episodes are hidden")
        write_view(store, out / split, controls, note, episodes=count)

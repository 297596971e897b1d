"""The figures of fidelity, from frames and features alone.

Shapes: b clips, j frames that are looked at closely, k values of a clip.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from torch import Tensor

from worldmodel.evaluate import given, kid
from worldmodel.evaluate.clips import Clips, moved
from worldmodel.evaluate.figures import Figure, bootstrap, ratio_of_means
from worldmodel.evaluate.given import Given
from worldmodel.evaluate.made import (
    EVERY,
    FORCED,
    HORIZONS,
    NEAR,
    OWN,
    REPEAT,
    TOKENIZER,
    WINDOW,
    Made,
    whose,
)
from worldmodel.evaluate.ssim import gradient_energy, psnr, ssim


def next_frame_figures(made: Made) -> dict[str, Figure]:
    """PSNR and SSIM of frames that follow real ones."""
    clips = made.clips
    truth = clips.truth[:, ::EVERY]
    before = clips.frames[:, clips.context - 1 : -1][:, ::EVERY]
    figures, moves = {}, moved(truth, before)
    sources = {**made.forced, REPEAT: before, TOKENIZER: made.tokenizer[:, ::EVERY]}
    for measure, name, unit in ((psnr, "PSNR", "dB"), (ssim, "SSIM", "")):
        values = {who: measure(frames, truth).numpy() for who, frames in sources.items()}
        for who, found in values.items():
            label = f"next frame {FORCED}" if who == OWN else f"next frame, {who}"
            figures[f"{label}, {name}"] = mean_figure(clips, found, unit)
        for who in made.forced:
            label = f"next frame {FORCED}" if who == OWN else f"next frame, {who}"
            gain = values[who] - values[REPEAT]
            figures[f"{label}, {name} over repeating"] = mean_figure(clips, gain, unit)
            figures[f"{label}, {name} over repeating, moving"] = mean_figure(
                clips, gain, unit, moves
            )
    return figures


def horizon_figures(made: Made) -> dict[str, Figure]:
    """PSNR and SSIM over repeating the last real frame on own output, by frames dreamed."""
    clips, figures = made.clips, {}
    at = np.array([h - 1 for h in HORIZONS if h <= clips.horizon])
    truth = clips.truth[:, at]
    moves = moved(truth, clips.last)
    for measure, name, unit in ((psnr, "PSNR", "dB"), (ssim, "SSIM", "")):
        repeated = measure(clips.last, truth)
        for who, frames in made.own.items():
            gain = (measure(frames[:, at], truth) - repeated).numpy()
            for i, h in enumerate(at + 1):
                label, which = f"frame {h} on {whose(who)}, {name} over repeating", slice(i, i + 1)
                figures[label] = mean_figure(clips, gain[:, which], unit)
                figures[f"{label}, moving"] = mean_figure(
                    clips, gain[:, which], unit, moves[:, which]
                )
    return figures


def distance_figures(
    made: Made, seen: Mapping[str, Tensor], close: np.ndarray
) -> dict[str, Figure]:
    """Perceptual distance over the first 16 frames, and how much of the edges is left."""
    clips, near = made.clips, close < NEAR
    rests = {"frames": int(near.sum()), "seeds": clips.seeds}
    figures = {
        f"perceptual distance, frames 1-{NEAR}, {who}": bootstrap(
            seen[f"distance, {who}"][:, near].numpy(), **rests
        )
        for who in (*made.own, TOKENIZER)
    }
    real = gradient_energy(clips.truth[:, :NEAR]).numpy()
    for who, frames in {**made.own, TOKENIZER: made.tokenizer}.items():
        figures[f"gradient energy over the real one, frames 1-{NEAR}, {who}"] = bootstrap(
            gradient_energy(frames[:, :NEAR]).numpy(), real, statistic=ratio_of_means, **rests
        )
    return figures


def kid_figures(made: Made, seen: Mapping[str, Tensor], close: np.ndarray) -> dict[str, Figure]:
    """KID over frames and over short windows, and how many times the tokenizer's it is."""
    near, seeds, figures, pairs = close < NEAR, made.clips.seeds, {}, {}
    for who in (*made.own, TOKENIZER):
        whole, real = seen[who], seen["real"]
        pairs[who] = kid.clip_pairs(whole[:, near], real[:, near])
        figures[f"KID, frames 1-{NEAR}, {who}"] = kid.kid(
            pairs[who], frames=int(near.sum()), seeds=seeds
        )
        joined = (kid.windows(x[:, near], WINDOW) for x in (whole, real))
        figures[f"KID over windows of {WINDOW}, frames 1-{NEAR}, {who}"] = kid.kid(
            kid.clip_pairs(*joined), frames=int(near.sum()), seeds=seeds
        )
        for end in sorted({int(t) + 1 for t in close if t >= NEAR and (t + 1) % 32 == 0}):
            last = (close >= end - WINDOW) & (close < end)
            figures[f"KID, frames {end - WINDOW + 1}-{end}, {who}"] = kid.kid(
                kid.clip_pairs(whole[:, last], real[:, last]), frames=WINDOW, seeds=seeds
            )
    for who in made.own:
        figures[f"KID of {whose(who)} over the tokenizer's, frames 1-{NEAR}"] = kid.kid_ratio(
            pairs[who], pairs[TOKENIZER], frames=int(near.sum()), seeds=seeds
        )
    return figures


def given_figures(made: Made, networks: Given) -> dict[str, Figure]:
    """LPIPS, FID and FVD proper, for who has their networks."""
    clips, figures = made.clips, {}
    truth, own = clips.truth[:, :NEAR], made.own[OWN][:, :NEAR]
    flat = [x.flatten(0, 1) for x in (own, truth)]
    rests = {"frames": own.shape[1], "seeds": clips.seeds}
    if networks.lpips:
        values = given.lpips(networks.lpips, *flat).view(len(own), -1).numpy()
        figures[f"LPIPS (VGG), frames 1-{NEAR}"] = bootstrap(values, **rests)
    if networks.fid:
        found = [given.inception(networks.fid, x).unflatten(0, own.shape[:2]) for x in flat]
        figures[f"FID, frames 1-{NEAR}"] = _frechet(*found, **rests)
    if networks.fvd:
        found = [given.i3d(networks.fvd, x)[:, None] for x in (own, truth)]
        figures[f"FVD, windows of {NEAR}"] = _frechet(*found, **rests)
    return figures


def _frechet(found: Tensor, real: Tensor, frames: int, seeds: np.ndarray) -> Figure:
    """A Frechet distance of features [b k f]; it is biased by few frames, so it has no interval."""
    value = given.frechet(found.flatten(0, 1), real.flatten(0, 1))
    return Figure(
        value=value, low=float("nan"), high=float("nan"), unit="", clips=len(found),
        frames=len(found) * frames, seeds=len(set(map(int, seeds))),
    )  # fmt: skip


def mean_figure(
    clips: Clips, values: np.ndarray, unit: str, moves: np.ndarray | None = None
) -> Figure:
    """The mean of values [b k] over all frames or over those that move, bool [b k]."""
    if moves is None:
        return bootstrap(values, unit=unit, frames=values.shape[1], seeds=clips.seeds)
    which = moves.any(axis=1)
    found = bootstrap(
        values[which], moves[which], statistic=_mean_where, unit=unit, seeds=clips.seeds[which]
    )
    return replace(found, frames=int(moves.sum()))


def _mean_where(values: np.ndarray, moves: np.ndarray) -> float:
    return float(values[moves].mean())

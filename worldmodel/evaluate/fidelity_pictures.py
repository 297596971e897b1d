"""Fidelity to look at: curves against the horizon, strips and films of the best and worst clips.

Shapes: b clips, j frames that are looked at closely.
"""

from collections.abc import Callable, Mapping

import numpy as np
from torch import Tensor

from worldmodel.evaluate.clips import moved
from worldmodel.evaluate.figures import Curve, Picture
from worldmodel.evaluate.lines import mean_line, side_by_side, strip
from worldmodel.evaluate.made import EVERY, FORCED, HORIZONS, OWN, REPEAT, SHOWN, TOKENIZER, Made
from worldmodel.evaluate.ssim import psnr, ssim


def curves(made: Made, seen: Mapping[str, Tensor], close: np.ndarray) -> tuple[Curve, ...]:
    """PSNR, SSIM and perceptual distance against the horizon."""
    whole = np.arange(made.clips.horizon)
    found = [
        *_curves(made, "PSNR", psnr, "dB", whole),
        *_curves(made, "SSIM", ssim, "", close),
    ]
    lines = [
        mean_line(who, close + 1, seen[f"distance, {who}"].numpy())
        for who in (*made.own, TOKENIZER)
    ]
    distance = Curve(
        title="Perceptual distance to what really followed", x_label="frames dreamed",
        y_label="distance", lines=tuple(lines),
    )  # fmt: skip
    return (*found, distance)


def _curves(
    made: Made, name: str, measure: Callable[..., Tensor], unit: str, at: np.ndarray
) -> list[Curve]:
    """A measure at frames `at` of everything made, of all frames and of those that move."""
    clips, every = made.clips, np.arange(0, made.clips.horizon, EVERY)
    shown = {who: (at, frames[:, at]) for who, frames in made.own.items()}
    for who, frames in made.forced.items():
        shown[FORCED if who == OWN else f"{who} {FORCED}"] = every, frames
    shown[REPEAT] = at, clips.last
    shown[TOKENIZER] = at, made.tokenizer[:, at]
    values = {who: measure(x, clips.truth[:, t]).numpy() for who, (t, x) in shown.items()}
    moves = moved(clips.truth, clips.last)
    return [
        Curve(
            title=f"{name} against horizon{about}", x_label="frames dreamed",
            y_label=f"{name}, {unit}" if unit else name,
            lines=tuple(
                mean_line(who, shown[who][0] + 1, found, which[:, shown[who][0]])
                for who, found in values.items()
            ),
        )
        for about, which in (("", np.ones_like(moves)), (", frames that move", moves))
    ]  # fmt: skip


def pictures(made: Made, seen: Mapping[str, Tensor], fps: float) -> tuple[Picture, ...]:
    """The best and the worst clips: strips of real and dreamed frames, and a film of each."""
    clips, own = made.clips, made.own[OWN]
    order = seen[f"distance, {OWN}"].mean(dim=1).argsort().tolist()
    shown = {"nearest to the truth": order[:SHOWN], "farthest from it": order[::-1][:SHOWN]}
    at = [h - 1 for h in HORIZONS if h <= clips.horizon]
    found = []
    for name, rows in shown.items():
        strips = [x for i in rows for x in (clips.truth[i, at], own[i, at])]
        frames = ", ".join(str(t + 1) for t in at)
        caption = f"The clips {name}: real above, own output below; frames {frames}"
        found.append(Picture(caption=caption, pixels=strip(strips)))
        film = side_by_side(clips.truth[rows[0]], own[rows[0]])
        caption = f"The clip {name}: real left, own output right"
        found.append(Picture(caption=caption, pixels=film, fps=fps))
    return tuple(found)

"""Truth by counterfactual: the same past, other keys, and what the game shows then.

Shapes: b forks, t frames, m controls, H W pixels.
"""

import numpy as np
import torch
from torch import Tensor

from worldmodel.evaluate.control import line
from worldmodel.evaluate.dreams import Setting, dream
from worldmodel.evaluate.figures import Curve, Figure, Picture, Section, bootstrap
from worldmodel.evaluate.forks import Forks, Truth
from worldmodel.model.pose import PoseRegressor, pose_errors
from worldmodel.model.tokenizer import to_float
from worldmodel.play.world import World
from worldmodel.train.metrics import psnr

JUDGED = (1, 4, 8, 16)  # frames in the figures
TURN = "turn_left"  # the button that turns on the spot
STAND = 12  # frames without keys before it
ROUND = 64  # frames in which a full turn is made
PICTURED = 4  # forks in the picture
TEXT = (
    "Held-out episodes are played again in the game by their seed and keys up to a point, and on "
    "from there under the keys of another one; the world dreams on from the same point under the "
    "same keys. Recorded keys stand beside: were these better foreseen, the world would have "
    "learned habits of the players and not what keys do."
)
POSES = (
    " Where a dream is, pictures of known places say that look most like it, followed frame by "
    "frame from the place where the fork begins; what this errs on the game's own frames stands "
    "beside, and how far the game has gone from where it began."
)


def counterfactual_section(
    world: World, forks: Forks, pose: PoseRegressor | None = None, *,
    setting: Setting | None = None,
) -> Section:  # fmt: skip
    """Dreams against the game under keys that were not recorded; `pose` judges places."""
    seeds, start = forks.pasts.seeds, forks.pasts.frames[:, -1:]
    figures: dict[str, Figure] = {}
    curves, pictures = [], []
    lines = []
    for name, keys in {
        "other keys": forks.recorded_keys.roll(1, 0), "recorded keys": forks.recorded_keys,
    }.items():  # fmt: skip
        truth, dreamed = forks.follow(keys), dream(world, forks.pasts, keys, setting=setting)
        shown = {name: dreamed, f"repeating the last frame, {name}": start.expand_as(dreamed)}
        for label, frames in shown.items():
            scores = psnr(frames, truth.frames)[truth.alive].numpy()  # [b t]
            each = [bootstrap(scores[:, h], unit="dB", seeds=seeds) for h in range(scores.shape[1])]
            lines.append(line(label, each))
            figures |= {f"frame {h}, {label}": each[h - 1] for h in JUDGED if h <= len(each)}
        if name == "other keys":
            pictures.append(side_by_side(truth, dreamed))
            if pose is not None:
                placed, drawn = pose_scores(pose, truth, dreamed, forks)
                figures |= placed
                curves += drawn
    curves.insert(0, Curve(
        title="dreams against the true game", x_label="frame", y_label="PSNR, dB",
        lines=tuple(lines),
    ))  # fmt: skip
    text = TEXT + (POSES if pose is not None else "")
    return Section(
        title="Truth by counterfactual", text=text, figures=figures, curves=tuple(curves),
        pictures=tuple(pictures),
    )  # fmt: skip


def pose_scores(
    pose: PoseRegressor, truth: Truth, dreamed: Tensor, forks: Forks
) -> tuple[dict[str, Figure], list[Curve]]:
    """How far from the true pose dreams are for the regressor, the game's own frames, and who does
    not move."""
    figures: dict[str, Figure] = {}
    drawn: dict[str, list] = {"position, map units": [], "angle, degrees": []}
    alive = truth.alive
    start, seeds = forks.poses[alive], forks.pasts.seeds[alive.numpy()]
    poses = {
        "dreams": read_poses(pose, dreamed[alive], start),
        "true frames": read_poses(pose, truth.frames[alive], start),
        "staying where it began": start[:, None],
    }
    for name, found in poses.items():
        errors = pose_errors(found, truth.poses[alive]).numpy()  # [b t 2]
        for axis, what in enumerate(drawn):
            unit = what.split(", ")[1]
            each = [
                bootstrap(errors[:, h, axis], statistic=np.median, unit=unit, seeds=seeds)
                for h in range(errors.shape[1])
            ]
            drawn[what].append(line(name, each))
            figures |= {
                f"median error of {what.split(',')[0]}, frame {h}, {name}": each[h - 1]
                for h in JUDGED if h <= len(each)
            }  # fmt: skip
    curves = [
        Curve(title=f"error of {what.split(',')[0]}", x_label="frame", y_label=f"median {what}",
              lines=tuple(lines))
        for what, lines in drawn.items()
    ]  # fmt: skip
    return figures, curves


@torch.inference_mode()
def read_poses(pose: PoseRegressor, frames: Tensor, start: Tensor) -> Tensor:
    """Poses [b t 3] of frames uint8 [b t H W 3] that follow poses [b 3]."""
    return torch.stack([
        pose.follow(to_float(clip), begun) for clip, begun in zip(frames, start, strict=True)
    ])  # fmt: skip


def side_by_side(truth: Truth, dreamed: Tensor) -> Picture:
    """The game above, the dream below, for the first forks; moves."""
    rows = [torch.cat(list(x[:PICTURED].unbind(0)), dim=2) for x in (truth.frames, dreamed)]
    pixels = torch.cat(rows, dim=1).numpy()
    return Picture(caption="other keys: the game above, dreams below", pixels=pixels, fps=10.0)


def full_turn_section(
    world: World, forks: Forks, pose: PoseRegressor | None = None, *,
    setting: Setting | None = None,
) -> Section | None:  # fmt: skip
    """Whether turning once around comes back to where it began; None if nothing here turns.

    The game says after how many frames it has turned once, fork by fork.
    """
    if TURN not in world.config.controls.buttons or forks.poses.isnan().any():
        return None
    keys = torch.cat([forks.held(frames=STAND), forks.held(TURN, frames=ROUND)], dim=1)
    truth, dreamed = forks.follow(keys), dream(world, forks.pasts, keys, setting=setting)
    angles, seeds = truth.poses[..., 2], forks.pasts.seeds
    back = frames_around(angles[:, STAND:], angles[:, STAND - 1])
    figures: dict[str, Figure] = {}
    lines = []
    for name, frames in {"dreams": dreamed, "true game": truth.frames}.items():
        start, turned = frames[:, STAND - 1 : STAND], frames[:, STAND:]
        scores = psnr(turned, start).numpy()  # [b t]
        figures[f"PSNR to the beginning, {name}"] = bootstrap(
            at(scores, back), unit="dB", frames=ROUND, seeds=seeds
        )
        lines.append(line(name, [bootstrap(x, unit="dB", seeds=seeds) for x in scores.T]))
        if pose is not None:
            read = read_poses(pose, frames, forks.poses)
            errors = pose_errors(read[:, STAND:], read[:, STAND - 1 : STAND]).numpy()
            for axis, (what, unit) in enumerate((("distance", "map units"), ("angle", "degrees"))):
                figures[f"median {what} to the beginning, {name}"] = bootstrap(
                    at(errors[..., axis], back), statistic=np.median, unit=unit, frames=ROUND,
                    seeds=seeds,
                )  # fmt: skip
    curve = Curve(
        title="a full turn", x_label="frame", y_label="PSNR to the beginning, dB",
        lines=tuple(lines),
    )  # fmt: skip
    text = (
        f"After {STAND} frames without keys, in which momentum is spent, {TURN} is held until the "
        f"true game has turned once around ({int(np.median(back)) + 1} frames in the median). Is "
        "the picture the one again with which the turn began? Not quite in the true game either: "
        "a frame's turn divides no circle."
    )
    return Section(title="A full turn", text=text, figures=figures, curves=(curve,))


def at(values: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Of values [b t] those at one frame [b] each."""
    return values[np.arange(len(values)), frames]


def frames_around(angles: Tensor, start: Tensor) -> np.ndarray:
    """The frame [b], counted from 0, at which angles [b t] in degrees are nearest to `start` [b]
    again, once they have turned by more than half a circle; the last one if they never do."""
    whole = torch.cat([start[:, None], angles], dim=1)
    step = (whole.diff(dim=1) + 180) % 360 - 180
    turned = step.cumsum(dim=1).abs()
    away = (turned - 360).abs().masked_fill(turned < 180, torch.inf)
    away[:, -1] = away[:, -1].nan_to_num(posinf=1e9)
    return away.argmin(dim=1).numpy()

"""Control: does a dream show what the keys say?

An inverse dynamics model that learned from real episodes reads keys from dreams, as MineWorld
(arXiv 2504.08388) and Matrix-Game (arXiv 2506.18701) report it; Genie's PSNR lost under other keys
(arXiv 2402.15391); and the training loss under other keys.
Shapes: b clips, t frames, m buttons, H W pixels.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from worldmodel.data.clips import FrameStore
from worldmodel.errors import UserError
from worldmodel.evaluate.dreams import BATCH, Setting, dream, through_tokenizer
from worldmodel.evaluate.figures import Curve, Figure, Line, Section, bootstrap, ratio_of_means
from worldmodel.evaluate.pasts import Futures, Pasts, draw_futures
from worldmodel.evaluate.seen import require_fitting
from worldmodel.model.inverse_dynamics import InverseDynamics
from worldmodel.model.tokenizer import to_float
from worldmodel.play.speed import plainly
from worldmodel.play.world import World
from worldmodel.train.metrics import psnr
from worldmodel.train.objectives.rectified_flow import obeyed_loss

AHEAD = 16  # frames dreamed
GENIE = 4  # frame at which Genie looks
TEXT = (
    "A judge that learned from real episodes reads from pictures which keys were held: on held-out "
    "real episodes, on the same through the world's tokenizer, and on dreams after the same pasts "
    "under the same keys. Even on real ones it is not always right, as a wall hides a step; so the "
    "share of its real F1 is what says how obedient a dream is. Below it: how much nearer the true "
    "frames a dream is under the true keys than under those of another clip, and how much larger "
    "the world's training loss is under those."
)


def control_section(
    world: World, store: FrameStore, idm: InverseDynamics, *, clips: int = 96,
    setting: Setting | None = None,
) -> Section:  # fmt: skip
    """How well `world` obeys on held-out clips of `store`, as `idm` reads it.

    Raises UserError when the data, the world and the judge are of different games.
    """
    require_fitting(world, store)
    require_same_buttons(world, idm)
    past = max(world.config.world.window, idm.config.reach + 1)
    pasts, futures = draw_futures(store, past, AHEAD, clips)
    dreamed = dream(world, pasts, futures.controls, setting=setting)
    held = futures.controls[..., : len(idm.config.buttons)].numpy() > 0.5
    shown = {
        "real": futures.frames,
        "tokenizer": through_tokenizer(world, futures.frames),
        "dreams": dreamed,
    }
    read = {name: read_buttons(idm, pasts, frames) for name, frames in shown.items()}
    figures = reading_figures(idm.config.buttons, held, read, pasts.seeds)
    figures |= lost_under_other_keys(world, pasts, futures, dreamed, setting)
    figures |= shuffled_loss(world, pasts, futures)
    return Section(title="Control", text=TEXT, figures=figures, curves=(by_frame(held, read),))


def require_same_buttons(world: World, idm: InverseDynamics) -> None:
    if world.config.controls.buttons != idm.config.buttons:
        raise UserError(
            f"the inverse dynamics model reads {', '.join(idm.config.buttons)}, the world obeys "
            f"{', '.join(world.config.controls.buttons)}; train one with worldmodel train idm on "
            "this game"
        )


@torch.inference_mode()
def read_buttons(idm: InverseDynamics, pasts: Pasts, frames: Tensor) -> np.ndarray:
    """What the judge reads, bool [b t m], of frames uint8 [b t H W 3] that followed real pasts."""
    t, seen = frames.shape[1], pasts.frames[:, -1 - idm.config.reach :]
    whole = torch.cat([seen, frames], dim=1)
    guess = torch.cat([idm(to_float(part)) for part in whole.split(8)])
    return guess[:, -t:, : len(idm.config.buttons)].numpy() > 0


def reading_figures(
    buttons: tuple[str, ...], held: np.ndarray, read: dict[str, np.ndarray], seeds: np.ndarray
) -> dict[str, Figure]:
    """Scores of what was read, bool [b t m] by what was shown, against what was held."""
    rests = {"frames": held.shape[1], "seeds": seeds}
    counted = {name: counts(held, guess) for name, guess in read.items()}
    figures = {
        f"mean F1, {name}": bootstrap(*three, statistic=mean_f1, **rests)
        for name, three in counted.items()
    }
    figures["dreams' share of the real F1"] = bootstrap(
        *counted["dreams"], *counted["real"], statistic=share_of_f1, **rests
    )
    for i, button in enumerate(buttons):
        for score, measure in SCORES.items():
            for name in ("real", "dreams"):
                own = (count[:, i] for count in counted[name])
                figures[f"{button}: {score}, {name}"] = bootstrap(*own, statistic=measure, **rests)
    return figures


def counts(held: np.ndarray, read: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Frames in which a button was both, held, and read: float [b m] each, from bool [b t m]."""
    return tuple(part.sum(axis=1).astype(float) for part in (held & read, held, read))


def precision(both: np.ndarray, held: np.ndarray, read: np.ndarray) -> float:
    """Share of the readings that are right, from counts [b]; NaN if there is none."""
    return float(both.sum() / read.sum()) if read.any() else float("nan")


def recall(both: np.ndarray, held: np.ndarray, read: np.ndarray) -> float:
    """Share of what was held that was read, from counts [b]; NaN if nothing was held."""
    return float(both.sum() / held.sum()) if held.any() else float("nan")


def f1(both: np.ndarray, held: np.ndarray, read: np.ndarray) -> float:
    """Harmonic mean of precision and recall, from counts [b]."""
    total = held.sum() + read.sum()
    return float(2 * both.sum() / total) if total else float("nan")


def mean_f1(both: np.ndarray, held: np.ndarray, read: np.ndarray) -> float:
    """Mean F1, from counts [b m], of the buttons that are held at all."""
    both, held, read = (count.sum(axis=0) for count in (both, held, read))
    used = held > 0
    return float((2 * both[used] / (held + read)[used]).mean()) if used.any() else float("nan")


def share_of_f1(*six: np.ndarray) -> float:
    """Mean F1 of three counts [b m] over that of three others."""
    whole = mean_f1(*six[3:])
    return mean_f1(*six[:3]) / whole if whole else float("nan")


SCORES: dict[str, Callable[..., float]] = {"precision": precision, "recall": recall, "F1": f1}


def by_frame(held: np.ndarray, read: dict[str, np.ndarray]) -> Curve:
    """Mean F1 of each dreamed frame."""
    lines = []
    for name, guess in read.items():
        each = [counts(held[:, h : h + 1], guess[:, h : h + 1]) for h in range(held.shape[1])]
        lines.append(line(name, [bootstrap(*three, statistic=mean_f1) for three in each]))
    return Curve(
        title="keys read from pictures", x_label="frame", y_label="mean F1", lines=tuple(lines)
    )


def line(name: str, figures: list[Figure]) -> Line:
    """A line through figures of frames 1, 2, 3, ..."""
    return Line(
        name=name,
        x=tuple(float(h + 1) for h in range(len(figures))),
        y=tuple(figure.value for figure in figures),
        low=tuple(figure.low for figure in figures),
        high=tuple(figure.high for figure in figures),
    )


def lost_under_other_keys(
    world: World, pasts: Pasts, futures: Futures, dreamed: Tensor, setting: Setting | None
) -> dict[str, Figure]:
    """Genie's delta_t PSNR: what a dream loses, frame 4, when its keys are another clip's."""
    other = dream(world, pasts, futures.controls.roll(1, 0)[:, :GENIE], setting=setting)
    truth = futures.frames[:, GENIE - 1]
    lost = psnr(dreamed[:, GENIE - 1], truth) - psnr(other[:, GENIE - 1], truth)
    name = f"PSNR lost at frame {GENIE} under another clip's keys"
    return {name: bootstrap(lost.numpy(), unit="dB", seeds=pasts.seeds)}


@torch.inference_mode()
def shuffled_loss(world: World, pasts: Pasts, futures: Futures) -> dict[str, Figure]:
    """Training loss with another clip's controls over that with the true ones."""
    frames = torch.cat([pasts.frames, futures.frames], dim=1)[:, -AHEAD:]
    controls = torch.cat([pasts.controls, futures.controls], dim=1)[:, -AHEAD:]
    latents = torch.stack([world.tokenizer.encode(clip) for clip in frames])
    with plainly(world.networks):  # whole clips at once
        true, shuffled = (
            np.concatenate([
                obeyed_loss(world.network, world.carrier, x, y).mean(dim=1).numpy()
                for x, y in zip(latents.split(BATCH), keys.split(BATCH), strict=True)
            ])
            for keys in (controls, controls.roll(1, 0))
        )  # fmt: skip
    figure = bootstrap(shuffled, true, statistic=ratio_of_means, frames=AHEAD, seeds=pasts.seeds)
    return {"loss under another clip's keys over the true ones": figure}

"""`worldmodel evaluate`: everything that is said of how good a world is, in one report."""

import os
import platform
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from worldmodel import __version__
from worldmodel.checkpoint import load_config
from worldmodel.data.clips import FrameStore
from worldmodel.errors import UserError
from worldmodel.evaluate.clips import draw_clips
from worldmodel.evaluate.dreams import setting_of
from worldmodel.evaluate.drift import drift
from worldmodel.evaluate.features import HEIGHT, NAME, Features
from worldmodel.evaluate.fidelity import fidelity
from worldmodel.evaluate.figures import Section
from worldmodel.evaluate.given import load_given
from worldmodel.evaluate.ground import ground
from worldmodel.evaluate.obedience import obedience
from worldmodel.evaluate.report.page import HTML, write_report
from worldmodel.evaluate.seen import require_fitting, require_split, require_unseen
from worldmodel.evaluate.subject import Budget, Subject
from worldmodel.evaluate.sweep import sweep
from worldmodel.evaluate.yardstick import load_yardstick
from worldmodel.play.world import World, load_world
from worldmodel.train.stages import REGRESSION

Makers = Mapping[str, Callable[[Subject], list[Section]]]
SECTIONS: Makers = {
    "fidelity": lambda s: [fidelity(s)],
    "control": obedience,
    "drift": lambda s: [drift(s)],
}
HELDOUT, TRAIN = SPLITS = "heldout", "train"
TRAINED_ON = "judged on episodes of the training data: for choosing between worlds, not for telling"
ASKED: Makers = {  # only when asked for
    "sweep": lambda s: [sweep(s)],
    "ground": lambda s: [ground(s)],
}


def evaluate(
    folder: Path, data: Path, *, out: Path | None = None, only: str | None = None,
    clips: int = Budget.clips, horizon: int = Budget.horizon, steps: int | None = None,
    speed: str = "auto", drift_starts: int = Budget.drift_starts,
    drift_frames: int = Budget.drift_frames, split: str = HELDOUT,
    regression: Path | None = None, lpips: Path | None = None, fid: Path | None = None,
    fvd: Path | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Judge the world in `folder` on a `split` of `data`; writes report.html and report.json.

    One chooses between worlds on the split "train": who chooses by held-out figures has none left.
    The reports go into the folder `out`, or runs/report-<name>. The regression network is that of
    the world's folder unless another is named. `only` names one section, whose report has
    its name too, as one on the split "train" has that. Returns what report.json holds. Raises
    UserError when world and data do not fit, the world was trained on held-out data, or a file is
    not what it should be.
    """
    began, chosen = time.monotonic(), _chosen(only)
    if split not in SPLITS:
        raise UserError(f"there is no split {split!r}; choose one of {', '.join(SPLITS)}")
    budget = Budget(
        clips=clips, horizon=horizon, drift_starts=drift_starts, drift_frames=drift_frames
    )
    load_config(folder)  # what is no world is told before data are read
    store = FrameStore(data / split)
    warnings = [TRAINED_ON] if split == TRAIN else require_unseen(folder, store)
    if split == HELDOUT:
        require_split(data, store)
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    given = load_given(lpips=lpips, fid=fid, fvd=fvd)
    world = load_world(folder, "cpu", speed)
    require_fitting(world, store)
    own = folder / REGRESSION
    regression = regression or (own if own.is_file() else None)
    yardstick = load_yardstick(regression, world) if regression else None
    features = Features(store.size)
    drawn = _drawn(world, store, budget)
    subject = Subject(
        folder=folder, data=data, world=world, setting=setting_of(world.config.play, steps),
        store=store, clips=drawn, budget=budget, features=features, given=given,
        regression=yardstick,
    )  # fmt: skip
    sections = [section for make in chosen.values() for section in make(subject)]
    about = _about(subject, regression) | {"seconds": round(time.monotonic() - began)}
    parts = [part for part in (only, split if split != HELDOUT else None) if part]
    place = out or Path("runs") / "-".join(["report", _name(folder), *parts])
    record = write_report(place, about, sections, warnings)
    print(f"{place / HTML} is written", file=sys.stderr)
    return record


def _name(folder: Path) -> str:
    """What a world is called: its folder, or its run where that is only "checkpoint"."""
    whole = folder.resolve()
    return whole.parent.name if whole.name == "checkpoint" else whole.name


def _chosen(only: str | None) -> Makers:
    """The sections to make; raises UserError when there is none of that name."""
    if only is None:
        return SECTIONS
    every = {**SECTIONS, **ASKED}
    if only not in every:
        raise UserError(f"there is no section {only!r}; choose one of {', '.join(every)}")
    return {only: every[only]}


@torch.inference_mode()
def _drawn(world: World, store: FrameStore, budget: Budget) -> Any:
    context = world.config.world.window
    return draw_clips(world.tokenizer, store, budget.clips, context=context, horizon=budget.horizon)


def _about(subject: Subject, regression: Path | None) -> dict[str, object]:
    """What the figures belong to."""
    setting = subject.setting
    return {
        "checkpoint": str(subject.folder),
        "data": str(subject.store.folder),
        "game": subject.store.game,
        "setting": {
            "steps": setting.steps,
            "sampler": subject.world.config.play.sampler,
            "guidance": setting.guidance,
            "warm_start": setting.warm_start,
            "rest": setting.rest,
            "finishing_look": setting.finishing_look,
            "speed": subject.world.speed.name,
        },
        "budget": asdict(subject.budget),
        "features": f"{NAME}, frames resized to {subject.features.size[1]}x{HEIGHT}",
        "regression": str(regression) if regression else None,
        "version": __version__,
        "machine": {
            "system": platform.platform(),
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
        },
    }

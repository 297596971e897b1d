"""Carries a recipe out: one stage after another, then the card."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from worldmodel.checkpoint import CONFIG, load_config
from worldmodel.data.records import read_json
from worldmodel.recipes.book import Recipe
from worldmodel.recipes.card import Made, card_text
from worldmodel.recipes.stage import RECORD, Folders, carry_out, done, heldout_figures
from worldmodel.train.judging import judge_world

CountFlops = Callable[[Path, dict[str, object]], float]  # of one update of a stage


def follow(recipe: Recipe, data: Path, run: Path, count_flops: CountFlops, clips: int = 12) -> Path:
    """Do what is not done yet of a recipe; returns the finished checkpoint, `run/checkpoint`.

    Episodes are those in `data`; where there are none, they are recorded first. `clips` are judged
    on for the card. Raises UserError as the stages do, KeyboardInterrupt when asked to stop.
    """
    folders = Folders(data, run)
    for stage in recipe.stages:
        state = "is done" if done(stage, folders) else "begins"
        print(f"stage {stage.name} {state}: {stage.command(folders)}", flush=True)
        if state == "begins":
            carry_out(stage, folders)
    return finish(recipe, folders, count_flops, clips)


def finish(recipe: Recipe, folders: Folders, count_flops: CountFlops, clips: int) -> Path:
    """Copy the last stage's checkpoint with its title, the logs and the card."""
    source, target = folders.world(recipe.last), folders.run / "checkpoint"
    partial = folders.run / "checkpoint.partial"
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(source, partial)
    record = json.loads((partial / CONFIG).read_text())
    (partial / CONFIG).write_text(json.dumps(record | {"title": recipe.title}, indent=2) + "\n")
    made = [_made(stage, folders, source, count_flops) for stage in recipe.stages]
    (partial / "logs").mkdir()
    for stage in recipe.stages:
        log = folders.of(stage.name) / "log.jsonl"
        if log.is_file():
            shutil.copy(log, partial / "logs" / f"{stage.name}.jsonl")
    figures = judge_world(folders.arrays, source, clips=clips)
    (partial / "card.md").write_text(
        card_text(load_config(partial), folders.arrays, made, figures, clips)
    )
    shutil.rmtree(target, ignore_errors=True)
    partial.replace(target)
    print(f"the world is in {target}: worldmodel play {target}")
    return target


def _made(stage: object, folders: Folders, world: Path, count_flops: CountFlops) -> Made:
    record = read_json(folders.of(stage.name) / RECORD)
    flops = stage.updates * count_flops(world, stage.flops) if stage.flops else 0.0
    return Made(
        name=stage.name,
        command=str(record["command"]),
        seconds=float(record["seconds"]),
        processors=int(record["processors"]),
        updates=stage.updates,
        flops=flops,
        figures=heldout_figures(folders.of(stage.name)),
    )

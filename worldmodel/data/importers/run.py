"""An import from beginning to end: recordings in, a collection of episodes out, whole or not at
all. What a killed import has finished is kept beside the target and used by the same call."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from worldmodel.data.atomic import partial_of, publish, write_json
from worldmodel.data.episode import EpisodeWriter
from worldmodel.data.importers.files import shown, slug, unique
from worldmodel.data.importers.fit import fit
from worldmodel.data.importers.formats import FORMATS, choose
from worldmodel.data.importers.record import Recording
from worldmodel.data.importers.resample import Step, resample
from worldmodel.data.importers.settings import Settings
from worldmodel.data.importers.space import controls_of
from worldmodel.data.importers.split import seed_of, splits_of
from worldmodel.data.meta import Meta
from worldmodel.data.plan import SPLITS
from worldmodel.data.progress import Progress
from worldmodel.data.records import read_json
from worldmodel.errors import UserError
from worldmodel.games.base import ControlSpace

FASTEST = 30.0  # frames a second, unless asked for


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What will be imported: recordings with their splits and safe names, one size, rate and
    controls for all."""

    format: str
    recordings: list[Recording]
    splits: list[str]
    names: list[str]
    controls: ControlSpace
    fps: float
    settings: Settings

    def meta(self, recording: Recording, split: str) -> Meta:
        """The meta.json of a recording's episodes."""
        return Meta(
            fps=self.fps,
            size=self.settings.size,
            controls=self.controls,
            game=self.settings.game or recording.game,
            seed=seed_of(recording.group, split),
            player=recording.player,
            licence=self.settings.licence or recording.licence,
            source=f"{self.format}: {shown(recording.source)}",
            actions="known" if recording.labelled else "unknown",
        )

    def steps(self, recording: Recording) -> Iterator[Step]:
        """The recording at the constant rate."""
        return resample(
            recording.records(),
            fps=self.fps,
            gap=self.settings.gap or recording.gap,
            shift=recording.shift + self.settings.shift,
        )

    def control(self, recording: Recording, step: Step) -> np.ndarray:
        """The control, float32 [k], of a step."""
        scale = self.settings.mapping.scale if recording.scale is None else recording.scale
        control = self.controls.from_keys(step.keys)
        for index, axis in enumerate(self.controls.axes, len(self.controls.buttons)):
            control[index] = step.axes.get(axis, 0.0) * scale
        return control


def make_plan(source: Path, format_name: str, settings: Settings) -> Plan:
    """Look at a source and decide everything; nothing is written. Raises UserError."""
    name = choose(source, format_name)
    recordings = FORMATS[name].recordings(source, settings)
    if not recordings:
        raise UserError(f"{shown(source)} holds only damaged recordings: {settings.left_out[0]}")
    rate = recordings[0].fps
    while rate > FASTEST:
        rate /= 2
    return Plan(
        format=name,
        recordings=recordings,
        splits=splits_of(recordings, settings.heldout),
        names=unique([slug(recording.name) for recording in recordings]),
        controls=controls_of(recordings, settings),
        fps=round(settings.fps or rate, 3),
        settings=settings,
    )


def run(plan: Plan, out: Path, say: Callable[[str], None] = print) -> None:
    """Write the collection out/{train,heldout}/<episode>; `say` is told what was handled.

    Raises UserError when `out` exists, when a recording is damaged (and is not to be skipped), or
    when nothing is left; `out` then does not appear.
    """
    if out.exists():
        raise UserError(f"{shown(out)} exists already; choose another folder or delete it.")
    partial = partial_of(out)
    done = _claim(plan, partial)
    progress = Progress("import", len(plan.recordings), "recordings")
    progress.skip(len(done))
    for recording, split, name in zip(plan.recordings, plan.splits, plan.names, strict=True):
        if name in done:
            continue
        _remove(partial, name)
        done[name] = _import(plan, recording, partial / split, name)
        write_json(partial / "import.json", {**_record(plan), "done": done})
        progress.advance(1)
    progress.finish()
    for sentence in _told(plan, done):
        say(sentence)
    if not any(result["frames"] for result in done.values()):
        shutil.rmtree(partial)
        raise UserError(f"Nothing is left to write to {shown(out)}: every recording was left out.")
    publish(partial, out)


def _claim(plan: Plan, partial: Path) -> dict[str, dict]:
    """Begin, or go on with what the same call had done before it was stopped."""
    path = partial / "import.json"
    if path.exists():
        found = read_json(path)
        if {k: found.get(k) for k in _record(plan)} != json.loads(json.dumps(_record(plan))):
            raise UserError(
                f"{shown(partial)} holds an import that was begun with other settings or "
                f"recordings; delete it, or call the import again as it was."
            )
        return found["done"]
    for split in SPLITS:
        (partial / split).mkdir(parents=True, exist_ok=True)
    write_json(path, {**_record(plan), "done": {}})
    return {}


def _record(plan: Plan) -> dict:
    """What decides every episode that is written."""
    settings = asdict(replace(plan.settings, controls=None, left_out=[], skip_damaged=False))
    return {
        "format": plan.format,
        "settings": settings,
        "fps": plan.fps,
        "controls": plan.controls.to_json(),
        "recordings": plan.names,
    }


def _remove(partial: Path, name: str) -> None:
    """Delete the episodes of a recording that was not finished."""
    for split in SPLITS:
        for folder in (partial / split).iterdir():
            if folder.name.lstrip(".").split(".")[0][:-4] == name:
                shutil.rmtree(folder)


def _import(plan: Plan, recording: Recording, folder: Path, name: str) -> dict:
    """Write a recording's episodes; what came of it, in figures and sentences."""
    try:
        frames, episodes, repeated, short = 0, 0, 0, 0
        for episode in _episodes(plan.steps(recording), plan.settings.longest):
            written, again = _write(plan, recording, folder / f"{name}-{episodes:03d}", episode)
            short += written if written < plan.settings.shortest else 0
            if written >= plan.settings.shortest:
                frames, episodes, repeated = frames + written, episodes + 1, repeated + again
    except UserError as error:
        _remove(folder.parent, name)
        if not plan.settings.skip_damaged:
            raise
        return {"frames": 0, "episodes": 0, "notes": [f"left out: {error}"]}
    if repeated > 0.02 * frames:
        recording.note(f"{repeated} of {frames} frames show the picture before once more")
    if short:
        recording.note(f"{short} frames in pieces of less than {plan.settings.shortest} left out")
    return {"frames": frames, "episodes": episodes, "notes": recording.notes}


def _episodes(steps: Iterator[Step], longest: int) -> Iterator[Iterator[Step]]:
    """Yield the steps of each episode, at most `longest`; each is used up before the next."""
    waiting: list[Step] = []

    def one(first: Step) -> Iterator[Step]:
        yield replace(first, keys=(), axes={}, begins=True)
        for count, step in enumerate(steps, 1):
            if step.begins or count == longest:
                waiting.append(step)
                return
            yield step

    first = next(steps, None)
    while first is not None:
        yield one(first)
        first = waiting.pop() if waiting else None


class _TooShort(Exception):
    """An episode that is not worth keeping."""


def _write(
    plan: Plan, recording: Recording, folder: Path, steps: Iterator[Step]
) -> tuple[int, int]:
    """Write an episode unless it is too short; return its frames and how many are repeats."""
    repeated = frames = 0
    meta = plan.meta(recording, folder.parent.name)
    with suppress(_TooShort), EpisodeWriter(folder, meta) as writer:
        for step in steps:
            picture = fit(step.picture(), plan.settings.size, plan.settings.fit)
            writer.append(picture, plan.control(recording, step), step.keys)
            repeated += step.repeated
            frames += 1
        if frames < plan.settings.shortest:
            raise _TooShort
    return frames, repeated


def _told(plan: Plan, done: dict[str, dict]) -> Iterator[str]:
    for split in SPLITS:
        names = [n for n, s in zip(plan.names, plan.splits, strict=True) if s == split]
        frames = sum(done[name]["frames"] for name in names)
        episodes = sum(done[name]["episodes"] for name in names)
        yield f"{split}: {frames:,} frames in {episodes} episodes of {len(names)} recordings"
    for sentence in plan.settings.left_out:
        yield f"left out: {sentence}"
    for name, result in done.items():
        for note in result["notes"]:
            yield f"{name}: {note}"

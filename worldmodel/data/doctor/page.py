"""The examination as one self-contained HTML page."""

import base64
import json
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader
from PIL import Image

from worldmodel.data.atomic import partial_of
from worldmodel.data.doctor.answers import control_names
from worldmodel.data.doctor.collection import Collection
from worldmodel.data.doctor.examine import Examination
from worldmodel.data.doctor.finding import Shown
from worldmodel.data.doctor.plots import plots_of
from worldmodel.data.doctor.sample import Sample, Stretch

BEFORE, AFTER = 2, 6  # frames shown around a press
QUIET = 4  # frames before it in which the control did not change
PLACES = 32
WIDTH = 160  # pixels of a frame on the page, about


@dataclass(frozen=True, kw_only=True)
class Strip:
    """Frames in a row: each has a picture (data URI), a caption and the controls held."""

    title: str
    frames: list[dict[str, Any]]


def write_page(examined: Examination, path: Path) -> None:
    """Write the page; it needs nothing but itself."""
    environment = Environment(
        loader=PackageLoader("worldmodel.data.doctor", ""), autoescape=True, trim_blocks=True
    )
    text = environment.get_template("page.html").render(
        folder=str(examined.collection.folder),
        collection=examined.collection,
        sample=examined.sample,
        wrong=examined.wrong,
        sections=[_section(examined, finding) for finding in examined.findings],
        presses=press_strips(examined.collection, examined.sample),
        places=_places(examined.collection, examined.sample),
        names=control_names(examined.collection.space),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = partial_of(path)
    partial.write_text(text, encoding="utf-8", errors="replace")
    partial.replace(path)


def _section(examined: Examination, finding: Any) -> dict[str, Any]:
    return {
        "finding": finding,
        "plots": plots_of(finding.name, finding.figures),
        "shown": [_shown(examined.collection, examined.sample, one) for one in finding.shown],
        "figures": json.dumps(finding.figures, indent=1, default=str),
    }


def press_strips(collection: Collection, sample: Sample) -> list[Strip]:
    """One strip for each control: the frames around a press that others leave alone."""
    strips = []
    for index, name in enumerate(control_names(collection.space)):
        if (found := _press(sample, index)) is not None:
            stretch, row = found
            rows = range(row - BEFORE, row + AFTER)
            frames = [_frame(collection, stretch, i, f"{i - row:+d}") for i in rows]
            where = f"{stretch.part}, frame {stretch.start + row}"
            strips.append(Strip(title=f"{name} pressed at +0 ({where})", frames=frames))
    return strips


def _press(sample: Sample, index: int) -> tuple[Stretch, int] | None:
    """Where a control goes down and nothing else changes for longest before and after."""
    best, where = -1, None
    for stretch in sample.stretches:
        if stretch.controls is None or len(stretch) < QUIET + AFTER + 1:
            continue
        down = np.diff((np.abs(stretch.controls[:, index]) > 0).astype(np.int8)) == 1
        changed = (np.diff(stretch.controls, axis=0) != 0).any(1)
        for row in np.flatnonzero(down) + 1:
            if QUIET < row < len(stretch) - AFTER:
                around = np.delete(changed[row - QUIET - 1 : row + AFTER - 1], QUIET)
                alone = np.count_nonzero(stretch.controls[row]) == 1
                score = int((~around).sum()) + 3 * alone
                if score > best:
                    best, where = score, (stretch, int(row))
    return where


def _places(collection: Collection, sample: Sample) -> list[dict[str, Any]]:
    """Frames from all over the data set."""
    chosen = np.linspace(0, len(sample.stretches) - 1, min(PLACES, len(sample.stretches)))
    stretches = [sample.stretches[int(i)] for i in chosen.round()]
    return [
        _frame(collection, s, len(s) // 2, f"{s.part}, {s.start + len(s) // 2}") for s in stretches
    ]


def _frame(collection: Collection, stretch: Stretch, row: int, caption: str) -> dict[str, Any]:
    held = None if stretch.controls is None else stretch.controls[row]
    picture = collection.frames(stretch.part, stretch.start + row, 1)[0]
    return {"picture": _uri(picture), "caption": caption, "held": _held(held)}


def _held(controls: np.ndarray | None) -> list[float]:
    return [] if controls is None else [round(float(value), 2) for value in controls]


def _shown(collection: Collection, sample: Sample, shown: Shown) -> dict[str, Any]:
    part = collection.parts[shown.place]
    controls = sample.controls.get(shown.place)
    return {
        "picture": _uri(collection.frames(part, shown.row, 1)[0]),
        "caption": shown.caption,
        "held": _held(None if controls is None else controls[shown.row]),
    }


def _uri(frame: np.ndarray) -> str:
    image, out = Image.fromarray(frame), BytesIO()
    if image.width > 1.5 * WIDTH:
        image.thumbnail((WIDTH, WIDTH))
    image.save(out, "WEBP", quality=85)
    return "data:image/webp;base64," + base64.b64encode(out.getvalue()).decode()

"""What an import would write, in sentences and as one picture of frames with their keys."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from worldmodel.data.importers.files import shown
from worldmodel.data.importers.fit import fit
from worldmodel.data.importers.record import Recording
from worldmodel.data.importers.run import Plan
from worldmodel.data.plan import SPLITS
from worldmodel.errors import UserError

RECORDINGS = 3  # that are looked into
SECONDS = 30.0  # of each
ROWS, AROUND = 6, (-1, 0, 1, 2)  # a row shows the frames around one moment
WIDTH, LABEL = 224, 30
LISTED = 12


@dataclass(frozen=True, kw_only=True)
class Tile:
    """A frame as it would be written, in small, with what is written beside it."""

    picture: Image.Image
    index: int
    keys: tuple[str, ...]
    axes: dict[str, float]
    begins: bool


def preview(plan: Plan, out: Path, say: Callable[[str], None] = print) -> Path:
    """Tell what would be written to `out`, draw a sheet of frames beside it and return its path.

    Raises UserError for a recording that is damaged where it is looked into.
    """
    for line in _summary(plan, out):
        say(line)
    strips = []
    for recording in plan.recordings[:RECORDINGS]:
        tiles = list(_tiles(plan, recording))
        strips.append((recording.name, tiles))
        for line in _looked_at(plan, recording, tiles):
            say(line)
    path = out.with_name(f"{out.name}-preview.png")
    path.parent.mkdir(parents=True, exist_ok=True)
    _sheet(strips).save(path)
    say(f"frames with their keys: {shown(path)} (a key should be lit where its effect begins)")
    return path


def _summary(plan: Plan, out: Path) -> Iterator[str]:
    settings, first = plan.settings, plan.recordings[0]
    yield f"{plan.format}: {len(plan.recordings)} recordings; nothing is written yet"
    for split in SPLITS:
        names = [n for n, s in zip(plan.names, plan.splits, strict=True) if s == split]
        listed = ", ".join(names[:LISTED]) + (", ..." if len(names) > LISTED else "")
        yield f"{shown(out)}/{split}: {len(names)} recordings{': ' * bool(names)}{listed}"
    sizes = sorted({f"{r.size[1]}x{r.size[0]}" for r in plan.recordings})
    height, width = settings.size
    yield (
        f"pictures: {', '.join(sizes[:4])} at {first.fps:g} a second become {width}x{height} at "
        f"{plan.fps:g} ({settings.fit})"
    )
    shift = first.shift + settings.shift
    yield f"keys: those stored with frame i of the source are taken to produce frame i{shift:+d}"
    if not first.labelled:
        yield "actions: unknown"
    keymap = ", ".join(f"{key} {button}" for key, button in plan.controls.keymap.items())
    yield f"buttons by key: {keymap or 'none'}"
    yield f"axes: {', '.join(plan.controls.axes) or 'none'}"
    for sentence in settings.left_out:
        yield f"left out: {sentence}"


def _tiles(plan: Plan, recording: Recording) -> Iterator[Tile]:
    """The first seconds of a recording, as they would be written."""
    for index, step in enumerate(islice(plan.steps(recording), int(SECONDS * plan.fps))):
        picture = Image.fromarray(fit(step.picture(), plan.settings.size, plan.settings.fit))
        picture = ImageOps.contain(picture, (WIDTH, WIDTH))
        control = plan.control(recording, step)
        axes = control[len(plan.controls.buttons) :]
        yield Tile(
            picture=picture,
            index=index,
            keys=step.keys,
            axes=dict(zip(plan.controls.axes, axes.tolist(), strict=True)),
            begins=step.begins,
        )


def _looked_at(plan: Plan, recording: Recording, tiles: Sequence[Tile]) -> Iterator[str]:
    if not tiles:
        raise UserError(f"{shown(recording.source)} has no frame in it.")
    held = Counter(key for tile in tiles for key in tile.keys)
    shares = ", ".join(f"{key} {count / len(tiles):.0%}" for key, count in held.most_common(LISTED))
    moved = {axis: np.abs([tile.axes[axis] for tile in tiles]).max() for axis in plan.controls.axes}
    extremes = "".join(f"; {axis} up to {value:.2f}" for axis, value in moved.items())
    yield (
        f"{recording.name}: of {len(tiles)} frames looked at in {sum(t.begins for t in tiles)} "
        f"pieces, keys held: {shares or 'none'}{extremes}"
    )
    unused = sorted(set(held) - set(plan.controls.keymap))
    if unused:
        yield f"{recording.name}: keys without a button: {', '.join(unused)}"
    for note in recording.notes:
        yield f"{recording.name}: {note}"


def _sheet(strips: Sequence[tuple[str, Sequence[Tile]]]) -> Image.Image:
    """Rows of frames around moments at which a key goes down, spread over the recordings."""
    rows = []
    for name, tiles in strips:
        for moment in _moments(tiles, max(1, ROWS // len(strips))):
            around = [tiles[min(max(moment + o, 0), len(tiles) - 1)] for o in AROUND]
            rows.append((name, around))
    height = max(tile.picture.height for _, tiles in rows for tile in tiles)
    size = (len(AROUND) * (WIDTH + 4) + 4, len(rows) * (height + LABEL + 18) + 4)
    sheet = Image.new("RGB", size, (24, 24, 28))
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for row, (name, tiles) in enumerate(rows):
        top = 4 + row * (height + LABEL + 18)
        draw.text((6, top), f"{name}, frame {tiles[1].index}", fill=(150, 150, 160), font=font)
        for column, tile in enumerate(tiles):
            _draw(sheet, draw, font, tile, 4 + column * (WIDTH + 4), top + 16, height)
    return sheet


def _moments(tiles: Sequence[Tile], count: int) -> list[int]:
    """Indices of frames at which a key goes down, evenly chosen; of any frames if there are none
    or too few."""
    pressed = [
        i for i in range(1, len(tiles) - 2) if set(tiles[i].keys) - set(tiles[i - 1].keys)
    ] or list(range(len(tiles)))
    chosen = np.linspace(0, len(pressed) - 1, min(count, len(pressed))).round().astype(int)
    return [pressed[i] for i in chosen]


def _draw(
    sheet: Image.Image,
    draw: ImageDraw.ImageDraw,
    font: ImageFont.ImageFont,
    tile: Tile,
    left: int,
    top: int,
    height: int,
) -> None:
    """A frame, and below it its keys and axes; lit where there are any."""
    sheet.paste(tile.picture, (left, top))
    keys = " ".join(key.removeprefix("Key") for key in tile.keys)
    axes = " ".join(f"{n[-1]}{v:+.2f}" for n, v in tile.axes.items() if v)
    below = top + height
    lit = (56, 92, 56) if keys or axes else (44, 44, 50)
    draw.rectangle((left, below, left + WIDTH - 1, below + LABEL - 3), fill=lit)
    for line, text in enumerate((keys or "-", axes)):
        draw.text((left + 4, below + 13 * line), text[:36], fill="white", font=font)

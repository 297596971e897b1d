"""The stage of exemplars: an outpainter is given recorded pictures to recall textures from."""

from pathlib import Path

import numpy as np
import torch

from worldmodel.checkpoint import OUTPAINTER, load_outpainter, save_network
from worldmodel.data.clips import FrameStore
from worldmodel.data.progress import Progress
from worldmodel.data.provenance import source_of
from worldmodel.errors import UserError
from worldmodel.model.exemplars import of_frames
from worldmodel.model.figure import filled
from worldmodel.model.outpainter import Outpainter
from worldmodel.model.tokenizer import PATCH, to_float, to_uint8
from worldmodel.train.objectives.pushing import what_stays, whole_ways
from worldmodel.train.stages import _sources_of, note_sources

PICTURES = 4000  # 15 MB of pictures of 128x96
TOGETHER = 256  # pictures from which the figure is taken at once


def keep_exemplars(
    data: Path, outpainter: Path, run: Path, *, pictures: int = PICTURES
) -> Outpainter:
    """Give the outpainter of a file so many of the frames in `data/train`, evenly drawn, without a
    player who stays at one place; ends with both in `run/outpainter.safetensors`.

    Nothing is trained. Exemplars that it has give way. Raises UserError for a number that cannot be
    had, and for frames of another size.
    """
    painter, store = load_outpainter(outpainter), FrameStore(data / "train")
    if not 1 <= pictures <= len(store):
        raise UserError(f"pictures must lie in 1 to the {len(store)} of {data}, found {pictures}")
    size = tuple(PATCH * cells for cells in painter.config.grid)
    if store.size != size:
        raise UserError(
            f"{store.folder} has frames of {store.size}, but {outpainter} dreams those of {size}"
        )
    note_sources(run, [source_of(store), *_sources_of(outpainter)])
    stays = what_stays(store, whole_ways(store))
    rows = np.linspace(0, len(store) - 1, pictures, dtype=int)
    progress, frames = Progress("exemplars", pictures, "pictures"), []
    for part in np.array_split(rows, -(-pictures // TOGETHER)):
        found = np.stack([store.frames[row] for row in part])
        if stays.any():
            found = to_uint8(filled(to_float(torch.as_tensor(found)), stays)).numpy()
        frames.append(found)
        progress.advance(len(part))
    progress.finish()
    found = painter.with_exemplars(of_frames(np.concatenate(frames)))
    save_network(run / OUTPAINTER, found)
    print(f"keeps {pictures} pictures, {found.config.exemplars[1] / 1e6:.1f} MB", flush=True)
    return found

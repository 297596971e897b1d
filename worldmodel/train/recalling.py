"""The stage of exemplars: an outpainter is given recorded pictures to recall new ground from."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch

from worldmodel.checkpoint import OUTPAINTER, load_outpainter, save_network
from worldmodel.data.clips import FrameStore, Span
from worldmodel.data.progress import Progress
from worldmodel.data.provenance import source_of
from worldmodel.errors import UserError
from worldmodel.model.exemplars import of_pictures
from worldmodel.model.figure import beside
from worldmodel.model.outpainter import Outpainter
from worldmodel.model.tokenizer import PATCH
from worldmodel.train.objectives.pushing import what_stays, whole_ways
from worldmodel.train.panoramas import panoramas
from worldmodel.train.stages import _sources_of, note_sources

PICTURES = 1000  # some 15 MB, of levels that are three pictures of 128x96 large


def keep_exemplars(
    data: Path, outpainter: Path, run: Path, *, pictures: int = PICTURES
) -> Outpainter:
    """Give the outpainter of a file at most so many pictures of what the episodes in `data/train`
    show, each put together as far as it scrolls as one piece, without a player who stays at one
    place; ends with both in `run/outpainter.safetensors`.

    Nothing is trained. Exemplars that it has give way. Raises UserError for less than one picture,
    and for frames of another size.
    """
    painter, store = load_outpainter(outpainter), FrameStore(data / "train")
    if pictures < 1:
        raise UserError(f"pictures must be at least 1, found {pictures}")
    size = tuple(PATCH * cells for cells in painter.config.grid)
    if store.size != size:
        raise UserError(
            f"{store.folder} has frames of {store.size}, but {outpainter} dreams those of {size}"
        )
    note_sources(run, [source_of(store), *_sources_of(outpainter)])
    ways = whole_ways(store)
    clear = beside(what_stays(store, ways))[0, 0].numpy() == 0
    episodes = evenly(store.episodes, pictures)
    progress = Progress("exemplars", len(episodes), "episodes")

    def seen(episode: Span) -> list[np.ndarray]:
        rows = slice(episode.start, episode.stop)
        found = panoramas(store.frames[rows], ways[rows], clear)
        progress.advance(1)
        return [each.panorama() for each in found]

    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        found = [picture for part in pool.map(seen, episodes) for picture in part]
    progress.finish()
    found = painter.with_exemplars(of_pictures(evenly(found, pictures)))
    save_network(run / OUTPAINTER, found)
    count, size = found.config.exemplars
    print(f"keeps {count} pictures, {size / 1e6:.1f} MB", flush=True)
    return found


def evenly(items: list, count: int) -> list:
    """At most `count` of some items, evenly drawn."""
    rows = np.linspace(0, len(items) - 1, min(count, len(items)), dtype=int)
    return [items[row] for row in rows]

"""Sinking: how far the player's figure has gone into what it cannot pass, told from a picture.

Recorded pictures of somebody who has been stopped are pushed on by known ways
(worldmodel.train.objectives.pushing), into what has stopped him or, as many, away from it, so that
no trace of the pushing tells the one from the other; as many again are as they were recorded. Some
of those who stand are pushed so far down that nothing else is near: they are to come up.
Shapes: b pictures, H W pixels.
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from worldmodel.data.clips import ClipSampler, FrameStore
from worldmodel.errors import UserError
from worldmodel.model.contact import SLACK, Contact
from worldmodel.model.tokenizer import to_float, to_uint8
from worldmodel.train.config import TrainConfig
from worldmodel.train.objectives.blurring import BLURS, blurred, drawn_blurs
from worldmodel.train.objectives.pushing import pushed, sinks, stops, what_stays, whole_ways
from worldmodel.train.pictures import save_sheet

NEAREST, FARTHEST = 0.5, 12.0  # pixels by which pictures are pushed, seldom far
DEEP, DEEPEST = 0.3, 3.0  # share of those pushed in farther, at most by so many times as much
ALONE = 0.5  # share of those stopped in both directions that are pushed in one
BLURRED = 0.6  # share of the pictures that are blurred, as old dreams are
NOISE = 0.03  # of all brightness, at most
JUDGED = 768  # held-out pictures in the figures


class Sinking:
    """Pictures, a third pushed in, a third pushed away, a third recorded; and how far they are in.

    Raises UserError when nothing stays on the screen or nothing is ever stopped.
    """

    def __init__(self, store: FrameStore, heldout: FrameStore, config: TrainConfig) -> None:
        self.seed, self.frames_per_step = config.seed, config.batch
        self.train_set, self.heldout_set = _Stopped(store), _Stopped(heldout)
        self.stays = self.train_set.stays
        random = np.random.default_rng(1)
        self.heldout = self._drawn(self.heldout_set, JUDGED, random, blurs=0.0)

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Pictures [b 3 H W] and by how much they have sunk [b 2], in pixels, up to FARTHEST."""
        random = np.random.default_rng([self.seed, step])
        return self._drawn(self.train_set, self.frames_per_step, random, BLURRED)

    def _drawn(
        self, stopped: "_Stopped", count: int, random: np.random.Generator, blurs: float
    ) -> tuple[Tensor, Tensor]:
        rows, by = stopped.draw(2 * count // 3, random)
        rows = np.concatenate([rows, stopped.any_row(count - len(rows), random)])
        pictures, into = stopped.pushed(rows, by)
        into = into.clamp(-FARTHEST, FARTHEST)
        pictures = blurred(pictures, drawn_blurs(len(pictures), blurs, random))
        if blurs:
            noise = NOISE * random.random((len(pictures), 1, 1, 1))
            noise = noise * random.standard_normal(pictures.shape)
            pictures = pictures + torch.as_tensor(noise).float()
        return pictures, into

    def loss(
        self, network: Contact, batch: tuple[Tensor, Tensor], step: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        pictures, into = batch
        error = F.smooth_l1_loss(network(network.shown(pictures)), into)
        return error, {}

    @torch.no_grad()
    def validate(self, network: Contact) -> dict[str, float]:
        """In pixels: how far those that are pushed in are, how much of that is seen, sharp and
        blurred as much as can be; and the share of the others that are taken back (SLACK)."""
        pictures, into = self.heldout
        far = into.abs().amax(dim=1)
        figures = {"sunk": float(far[far > 0].mean())}
        soft = torch.zeros(len(pictures), len(BLURS))
        soft[:, -1] = 1
        for name, seen in (("", pictures), ("_blurred", blurred(pictures, soft))):
            found = network(network.shown(seen))
            along = (found * into.sign()).sum(dim=1) / into.sign().abs().sum(dim=1).clamp_min(1)
            figures[f"seen{name}"] = float(along[far > 0].mean())
            false = found.abs().amax(dim=1) > SLACK
            figures[f"false{name}"] = float(false[far == 0].float().mean())
        return figures

    @torch.no_grad()
    def draw(self, network: Contact, path: Path) -> None:
        """Pushed in, pushed away and recorded: what is shown, and the same put right."""
        pictures, _ = self.heldout
        half = torch.tensor([network.size[1] / 2, network.size[0] / 2])
        rows = []
        for part in pictures.chunk(3):
            some = part[:10]
            back = -network(network.shown(some)) / half
            right = pushed(some, network.stays, back, torch.ones(len(some)), onward=-back)
            rows += [to_uint8(some), to_uint8(right)]
        save_sheet([row.numpy() for row in rows], path)


class _Stopped:
    """The rows of a store that show somebody who has been stopped, and what stays on the screen."""

    def __init__(self, store: FrameStore) -> None:
        self.store, ways = store, whole_ways(store)
        self.stopped = stops(ways, store.episodes)
        self.rows = [np.flatnonzero(axis) for axis in self.stopped.T]
        self.rows = [rows for rows in self.rows if len(rows)]
        self.stays = what_stays(store, ways)
        if not self.rows or not (self.stays > 0.5).any():
            raise UserError(
                f"in {store.folder} nothing stays on the screen and is stopped by something; a "
                "contact is for games that show their player, always at the same place"
            )
        height, width = store.size
        self.half = torch.tensor([width / 2, height / 2])
        self.sampler = ClipSampler(store.episodes, store.motion, length=2, seed=0, moving=0.5)

    def draw(self, count: int, random: np.random.Generator) -> tuple[np.ndarray, Tensor]:
        """Rows [b], as many stopped from the side as from below or above, and the ways [b 2] in
        pixels on into what has stopped them."""
        parts = np.array_split(np.arange(count), len(self.rows))
        rows = [random.choice(own, len(p)) for own, p in zip(self.rows, parts, strict=True)]
        rows = random.permutation(np.concatenate(rows))
        far = NEAREST + (FARTHEST - NEAREST) * random.random((count, 2)) ** 2
        way = self.stopped[rows] * far
        alone = way.all(axis=1) & (random.random(count) < ALONE)
        way[alone, random.integers(0, 2, alone.sum())] = 0
        deep = (way[:, 1] > 0) & (way[:, 0] == 0) & (random.random(count) < DEEP)
        way[deep, 1] = random.uniform(FARTHEST, DEEPEST * FARTHEST, deep.sum())
        return rows, torch.as_tensor(way).float()

    def any_row(self, count: int, random: np.random.Generator) -> np.ndarray:
        return 1 + self.sampler.draw(int(random.integers(2**31)), count)

    def pushed(self, rows: np.ndarray, ways: Tensor) -> tuple[Tensor, Tensor]:
        """Pictures [b 3 H W] of rows, of which the first half of those that have `ways` [k 2] are
        pushed by them and the others away; and by how much they have sunk [b 2], in pixels."""
        pictures = to_float(torch.as_tensor(self.store.frames[np.asarray(rows)]))
        some, inwards = pictures[: len(ways)], torch.arange(len(ways)) < len(ways) // 2
        by = torch.where(inwards[:, None], ways, -ways) / self.half
        hit = sinks(some, self.stays, by)
        moved = pushed(some, self.stays, by, hit == inwards, onward=ways)
        into = torch.zeros(len(rows), 2)
        into[: len(ways)] = ways * (inwards & hit)[:, None]
        return torch.cat([moved, pictures[len(ways) :]]), into

"""Ends of levels: the last pictures of episodes that the game ended, among all others.

Ends are rare, so much of what a batch shows beside them is drawn from shortly before, where a coin
or an enemy is near and not reached. No recording shows what would have come after an end, but a
dream that was not told does. So where the player's figure is known, pictures are moved on behind it
by the way they were moving (worldmodel.train.objectives.pushing): ends until it has reached what
ends the level, and others by as much as nothing comes of it, so that nobody is told by the moving.
Shapes: b pictures, H W pixels.
"""

from functools import cached_property
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from worldmodel.data.clips import FrameStore
from worldmodel.errors import UserError
from worldmodel.model.ending import Ending
from worldmodel.model.tokenizer import to_float
from worldmodel.train.config import TrainConfig
from worldmodel.train.objectives.pushing import pushed, whole_ways
from worldmodel.train.pictures import save_sheet

ENDS, NEAR = 0.25, 0.17  # shares of a batch: ends, and what comes shortly before
SHORTLY = 2, 7  # frames before an end, from and up to, that are near
KEPT_BACK = 8  # every so manieth training episode only says which threshold to take
ONWARD = 2.0, 0.5  # frames by which ends and others are moved on, at most
MOVED = 0.7  # share of the pictures that are
ALARMS = 1 / 2000  # share of other pictures that may count as ends
AT_ONCE = 256  # pictures


class Ends:
    """Pictures, the ones before them, and which are ends; validates on held-out episodes.

    Raises UserError when too few episodes say that the game ended them.
    """

    def __init__(
        self, store: FrameStore, heldout: FrameStore, config: TrainConfig,
        stays: Tensor | None = None,
    ) -> None:  # fmt: skip
        """`stays` [1 1 H W] is the share to which each place belongs to the player's figure."""
        self.stays = stays
        self.seed, self.frames_per_step = config.seed, config.batch
        numbers = np.arange(len(store.episodes))
        back = numbers % KEPT_BACK == KEPT_BACK - 1
        self.train_set, self.kept_back = _Rows(store, numbers[~back]), _Rows(store, numbers[back])
        self.heldout = _Rows(heldout, np.arange(len(heldout.episodes)))
        needed = {store: (self.train_set.near, self.kept_back.ends), heldout: (self.heldout.ends,)}
        for place, rows in needed.items():
            if not all(map(len, rows)):
                raise UserError(
                    f"of the episodes in {place.folder} too few say that the game ended them; "
                    "collect more, with this version, of a game whose levels end"
                )

    def batch(self, step: int) -> tuple[Tensor, Tensor, Tensor]:
        """Pictures before and now [b 3 H W], and 1 for ends [b]."""
        draw = np.random.default_rng([self.seed, step])
        rows, count = self.train_set, self.frames_per_step
        ends, near = max(1, round(ENDS * count)), round(NEAR * count)
        drawn = draw.choice(rows.ends, ends), draw.choice(rows.near, near)
        chosen = np.concatenate([*drawn, draw.choice(rows.others, count - ends - near)])
        before, now = rows.pictures(chosen)
        over = torch.arange(count) < ends
        if self.stays is not None:
            far = torch.where(over, *ONWARD) * torch.as_tensor(draw.random(count)).float()
            far = far * torch.as_tensor(draw.random(count) < MOVED)
            before, now = moved_on(before, now, rows.ways(chosen), self.stays, far)
        return before, now, over.float()

    def loss(
        self, network: Ending, batch: tuple[Tensor, Tensor, Tensor], step: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        before, now, ends = batch
        return F.binary_cross_entropy_with_logits(network(before, now), ends), {}

    def threshold(self, network: Ending) -> float:
        """The logit that one of 1 / ALARMS other pictures passes, of training episodes that it
        was not trained on."""
        return _passed_by_few(self.kept_back.said(network)[1])

    @torch.no_grad()
    def validate(self, network: Ending) -> dict[str, float]:
        """The share of held-out ends that are told at the threshold, and of other pictures; and of
        ends that are told at the latest when they are moved on by so many frames as in training."""
        bar = self.threshold(network)
        ends, others = self.heldout.said(network)
        figures = {"told": float((ends >= bar).mean()), "false": float((others >= bar).mean())}
        if self.stays is not None:
            rows = self.heldout.ends
            given = *self.heldout.pictures(rows), self.heldout.ways(rows)
            latest = torch.as_tensor(ends)
            for far in range(1, round(ONWARD[0]) + 1):
                shown = moved_on(*given, self.stays, torch.full((len(rows),), float(far)))
                latest = torch.maximum(latest, judged(network, *shown))
            figures["told_later"] = float((latest >= bar).float().mean())
        return figures

    @torch.no_grad()
    def draw(self, network: Ending, path: Path) -> None:
        """Held-out ends that are told best and worst, and what else is taken for an end."""
        said = self.heldout.said(network)
        ends = self.heldout.ends[np.argsort(-said[0])]
        others = self.heldout.others[np.argsort(-said[1])]
        rows = [row[:10] for row in (ends, ends[::-1], others)]
        shown = min(map(len, rows))
        if shown:
            save_sheet([self.heldout.store.frames[np.sort(row[:shown])] for row in rows], path)


class _Rows:
    """Rows of some episodes of a store: ends, those shortly before, and others. What comes right
    before an end is none of these: it may be seen already."""

    def __init__(self, store: FrameStore, numbers: np.ndarray) -> None:
        self.store, episodes = store, [store.episodes[i] for i in numbers]
        self.starts = np.array([episode.start for episode in store.episodes])
        ended = [e for e in episodes if e.ended]
        self.ends = np.array([e.stop - 1 for e in ended], dtype=np.int64)
        near = [np.arange(max(e.start, e.stop - SHORTLY[1]), e.stop - SHORTLY[0]) for e in ended]
        self.near = np.concatenate([*near, self.ends[:0]])
        rows = [np.arange(e.start, e.stop - SHORTLY[1] * e.ended) for e in episodes]
        self.others = np.concatenate([*rows, self.ends[:0]])

    def pictures(self, rows: np.ndarray) -> tuple[Tensor, Tensor]:
        """The pictures before those of some rows, and those [b 3 H W]; an episode's first picture
        has itself before it."""
        earlier = np.where(np.isin(rows, self.starts), rows, rows - 1)
        before, now = (np.stack([self.store.frames[i] for i in part]) for part in (earlier, rows))
        return to_float(torch.as_tensor(before)), to_float(torch.as_tensor(now))

    def ways(self, rows: np.ndarray) -> Tensor:
        """The ways [b 2] by which pictures have come from those before them, in half pictures."""
        half = np.array(self.store.size)[::-1] / 2
        return torch.as_tensor(self._ways[rows] / half).float()

    @cached_property
    def _ways(self) -> np.ndarray:
        return whole_ways(self.store)

    def said(self, network: Ending) -> tuple[np.ndarray, np.ndarray]:
        """Logits of all ends and of all others."""
        return self._logits(network, self.ends), self._logits(network, self.others)

    @torch.no_grad()
    def _logits(self, network: Ending, rows: np.ndarray) -> np.ndarray:
        found = np.zeros(len(rows), np.float32)
        for at in range(0, len(rows), AT_ONCE):
            part = slice(at, at + AT_ONCE)
            found[part] = judged(network, *self.pictures(rows[part])).cpu().numpy()
        return found


def judged(network: Ending, before: Tensor, now: Tensor) -> Tensor:
    """What a network that may be in training says [b] when nothing of it is dropped."""
    training = network.training
    found = network.eval()(before, now)
    network.train(training)
    return found


def moved_on(
    before: Tensor, now: Tensor, way: Tensor, stays: Tensor, far: Tensor
) -> tuple[Tensor, Tensor]:
    """Two pictures in a row [b 3 H W] so many frames later [b], 0 or more, if all but what `stays`
    [1 1 H W] goes on by the way [b 2], in half pictures, that it went from the one to the other."""
    late = far >= 1
    first = torch.where(late[:, None, None, None], now, before)
    whole = torch.ones(len(now), dtype=torch.bool)
    return (
        pushed(first, stays, (far - late.float())[:, None] * way, whole),
        pushed(now, stays, far[:, None] * way, whole),
    )


def _passed_by_few(logits: np.ndarray) -> float:
    """What at most a share of ALARMS of some logits is greater than or equal to."""
    allowed = int(ALARMS * len(logits))
    return float(np.nextafter(np.sort(logits)[::-1][allowed], np.inf, dtype=np.float32))

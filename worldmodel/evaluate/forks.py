"""The true game, forked: the same past by replaying seed and controls, then other keys.

Shapes: b forks, w frames of a past, t frames that follow, m controls, H W pixels.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from worldmodel.data.clips import FrameStore, known
from worldmodel.data.replay import replay, require_alike
from worldmodel.errors import UserError
from worldmodel.evaluate.pasts import Pasts
from worldmodel.games.base import Game

LATEST = 120  # frame of an episode at which a fork begins at the latest: replaying takes time


@dataclass(frozen=True)
class Truth:
    """What the game showed after each fork: frames uint8 [b t H W 3], poses float32 [b t 3] of
    games that tell them (NaN otherwise), and the forks in which it did not end, bool [b]."""

    frames: Tensor
    poses: Tensor
    alive: Tensor


class Forks:
    """Places in held-out episodes from which a game can be played on under any keys."""

    def __init__(
        self, game: Game, store: FrameStore, *, past: int, ahead: int, count: int, seed: int = 0
    ) -> None:
        """`count` forks with `past` frames before them and `ahead` recorded ones after them.

        Raises UserError when episodes are too short or the game does not replay them.
        """
        self.game, self.store, self.past = game, store, past
        self.places = self._places(past, ahead, count, seed)
        frames, poses = [], []
        for index, row in self.places:
            span = store.episodes[index]
            shown = self._replay(index, row)
            require_alike(store.frames[span.start + row], shown[-1][0], store)
            frames.append(np.stack([frame for frame, _ in shown[-past:]]))
            poses.append(shown[-1][1])
        controls = [self._recorded(i, row - past + 1, row + 1) for i, row in self.places]
        seeds = np.array([store.episodes[i].seed for i, _ in self.places])
        self.pasts = Pasts(
            torch.as_tensor(np.stack(frames)), torch.as_tensor(np.stack(controls)), seeds
        )
        self.poses = torch.as_tensor(np.stack(poses))  # [b 3], where the forks begin
        after = [self._recorded(i, row + 1, row + 1 + ahead) for i, row in self.places]
        self.recorded_keys = torch.as_tensor(np.stack(after))  # [b ahead m]

    def __len__(self) -> int:
        return len(self.places)

    def held(self, *buttons: str, frames: int) -> Tensor:
        """Keys [b frames m]: these buttons held in every fork."""
        control = torch.as_tensor(self.store.space.vector(buttons))
        return control.expand(len(self), frames, -1)

    def follow(self, keys: Tensor) -> Truth:
        """Play on under `keys` [b t m] from every fork."""
        t, size = keys.shape[1], self.store.size
        frames = np.zeros((len(self), t, *size, 3), np.uint8)
        poses, alive = np.full((len(self), t, 3), np.nan, np.float32), np.ones(len(self), bool)
        for b, (index, row) in enumerate(self.places):
            played = self._replay(index, row, keys[b].numpy())[row + 1 :]
            alive[b] = len(played) == t
            for h, (frame, pose) in enumerate(played):
                frames[b, h], poses[b, h] = frame, pose
        return Truth(*(torch.as_tensor(x) for x in (frames, poses, alive)))

    def _places(self, past: int, ahead: int, count: int, seed: int) -> list[tuple[int, int]]:
        """Pairs of an episode and the row in it that is a past's last one."""
        draw, whole, usable = np.random.default_rng(seed), known(self.store), []
        for index, span in enumerate(self.store.episodes):
            latest = min(LATEST, span.stop - span.start - ahead - 1)
            if latest >= past and whole[span.start : span.start + latest + ahead + 1].all():
                usable.append((index, latest))
        if not usable:
            raise UserError(
                f"no episode in {self.store.folder} has {past + ahead + 1} frames of known keys; "
                "collect longer ones"
            )
        chosen = [usable[i % len(usable)] for i in range(count)]
        return [(index, int(draw.integers(past, latest + 1))) for index, latest in chosen]

    def _recorded(self, index: int, start: int, stop: int) -> np.ndarray:
        first = self.store.episodes[index].start
        return np.array(self.store.controls[first + start : first + stop], np.float32)

    def _replay(
        self, index: int, row: int, keys: np.ndarray | None = None
    ) -> list[tuple[np.ndarray, tuple[float, float, float]]]:
        """Frames and poses of an episode up to `row`, and of `keys` after it."""
        controls = self._recorded(index, 0, row + 1)
        controls = controls if keys is None else np.concatenate([controls, keys])
        played = replay(self.game, self.store.episodes[index].seed, controls)
        return [(frame, getattr(self.game, "pose", (np.nan,) * 3)) for frame in played]

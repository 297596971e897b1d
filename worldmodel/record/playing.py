"""A game that is played step by step into episodes, by a person or by a player program."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Protocol

import numpy as np

from worldmodel.data.meta import Meta
from worldmodel.errors import UserError
from worldmodel.games.base import Game
from worldmodel.record.config import GameConfig
from worldmodel.record.log import Held
from worldmodel.record.shelf import Shelf, repair_and_tell
from worldmodel.record.takes import Takes
from worldmodel.record.tell import ended_by_signals, refusal, tell

NEEDS = {"explorer": "pose", "runner": "foresee"}  # player -> what not every game has


class Plays(Protocol):
    """Who plays: a player program, or a person at a window."""

    name: str

    def reset(self, seed: int) -> None: ...

    def act(self, game: Game) -> np.ndarray: ...


class Playing:
    """Plays episodes of a game and records them.

    A player may have `held()`, the keys behind its last control in the order they were pressed;
    `show(frame, takes)`, called with each frame before the next control is asked for; and
    `wish`, which is "quit", "next" or "discard" when it wants no more of this episode. Raises
    UserError for what the data set and the game do not allow.
    """

    def __init__(self, data: Path, game: Game, config: GameConfig) -> None:
        need = NEEDS.get(config.player)
        if need is not None and not hasattr(type(game), need):
            raise UserError(
                f"{config.player} needs a game that tells its {need}, and {game.name} does not; "
                "choose --player sticky or idle"
            )
        repair_and_tell(data)
        self.game, self.config = game, config
        self.shelf = Shelf(data, config.split)
        self.takes = Takes(
            self.shelf, _meta(game, config), longest=config.longest, notes={"recorder": "game"}
        )
        self._stopped = False

    def run(self, player: Plays) -> None:
        """Record until the player, the configuration or a signal says that it is enough."""
        person = hasattr(player, "wish")
        wanted = self.config.episodes or (None if person else 1)
        try:
            with ended_by_signals(self._stop):
                self._episodes(player, wanted)
        except OSError as error:
            self.takes.abandon()
            raise refusal(error, self.shelf.data) from error
        tell(self.takes)

    def _episodes(self, player: Plays, wanted: int | None) -> None:
        try:
            for number in count(1):
                self._episode(player)
                if self._enough(player) or number == wanted:
                    return
        finally:
            self.takes.cut()

    def _episode(self, player: Plays) -> None:
        split = self.shelf.split()
        seed = next(self.shelf.seeds(split, self.config.seed))
        self.takes.begin(split, seed)
        player.reset(seed)
        for tick, (frame, held, controls) in enumerate(self._frames(player, seed)):
            self.takes.add(frame, held, tick / self.game.fps, controls=controls)
        if getattr(player, "wish", None) == "discard":
            self.takes.drop()
        self.takes.cut(ended=self.game.done)

    def _frames(
        self, player: Plays, seed: int
    ) -> Iterator[tuple[np.ndarray, Held, np.ndarray | None]]:
        """Each frame with what produced it, until the game or somebody ends the episode."""
        frame, limit = self.game.reset(seed), self._limit(player)
        yield frame, Held(), None
        for _ in range(limit) if limit else count():
            if hasattr(player, "show"):
                player.show(frame, self.takes)
            controls = player.act(self.game)
            if self._enough(player) or getattr(player, "wish", None):
                return
            frame = self.game.step(controls)
            if self.game.done:
                return
            yield frame, _held(player, self.game, controls), controls

    def _limit(self, player: Plays) -> int | None:
        return None if hasattr(player, "wish") else self.config.frames - 1

    def _enough(self, player: Plays) -> bool:
        seconds = self.config.seconds
        full = seconds is not None and self.takes.frames >= seconds * self.game.fps
        return self._stopped or full or getattr(player, "wish", None) == "quit"

    def _stop(self, *_: object) -> None:
        self._stopped = True


def _held(player: Plays, game: Game, controls: np.ndarray) -> Held:
    keys = player.held() if hasattr(player, "held") else game.controls.keys_for(controls)
    return Held(keys=keys)


def _meta(game: Game, config: GameConfig) -> Meta:
    return Meta(
        fps=game.fps,
        size=game.size,
        controls=game.controls,
        game=game.name,
        seed=0,
        player=config.player,
        licence=game.licence,
    )

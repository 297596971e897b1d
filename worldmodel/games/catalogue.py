"""The games and players by the names that commands and recordings use."""

from worldmodel.errors import UserError
from worldmodel.games.base import Game
from worldmodel.games.explorer import Explorer
from worldmodel.games.players import Idle, Player, Sticky
from worldmodel.games.procgen import Procgen
from worldmodel.games.runner import Careless, Runner
from worldmodel.games.vizdoom import VizDoom

ENGINES = {"vizdoom": VizDoom, "procgen": Procgen}
PLAYERS = {player.name: player for player in (Explorer, Sticky, Idle, Runner, Careless)}
# who plays in every ten episodes of a collection
CASTS = {
    # 70 % exploring, 20 % sticky random keys, 10 % idle
    "vizdoom": (
        *("explorer", "explorer", "sticky", "explorer", "explorer"),
        *("idle", "explorer", "sticky", "explorer", "explorer"),
    ),
    "procgen": ("runner",) * 10,
}


def open_game(name: str, size: tuple[int, int] = (96, 128)) -> Game:
    """Start a game, named as "vizdoom/my_way_home", with frames of (height, width).

    Raises UserError for an unknown name, a scenario or size that the game lacks, or a game
    engine that is not installed.
    """
    engine, scenario = _parts(name)
    return ENGINES[engine](scenario, size)


def cast_of(name: str) -> tuple[str, ...]:
    """Return the players of every ten episodes of a game, by name; raise UserError as
    `open_game` does."""
    return CASTS[_parts(name)[0]]


def _parts(name: str) -> tuple[str, str]:
    engine, _, scenario = name.partition("/")
    if engine not in ENGINES or not scenario:
        raise UserError(
            f"There is no game {name!r}; name one as vizdoom/<scenario> or procgen/<game>, "
            f"for example vizdoom/my_way_home or procgen/coinrun."
        )
    return engine, scenario


def make_player(name: str) -> Player:
    """Return a new player; raise UserError for an unknown name."""
    if name not in PLAYERS:
        raise UserError(f"There is no player {name!r}; choose one of {', '.join(PLAYERS)}.")
    return PLAYERS[name]()

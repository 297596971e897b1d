"""The games and players by the names that commands and recordings use."""

from worldmodel.errors import UserError
from worldmodel.games.base import Game
from worldmodel.games.explorer import Explorer
from worldmodel.games.players import Idle, Player, Sticky
from worldmodel.games.vizdoom import VizDoom

PLAYERS = {player.name: player for player in (Explorer, Sticky, Idle)}


def open_game(name: str, size: tuple[int, int] = (96, 128)) -> Game:
    """Start a game, named as "vizdoom/my_way_home", with frames of (height, width).

    Raises UserError for an unknown name, a scenario or size that the game lacks, or a game
    engine that is not installed.
    """
    engine, _, scenario = name.partition("/")
    if engine != "vizdoom" or not scenario:
        raise UserError(
            f"There is no game {name!r}; name one as vizdoom/<scenario>, "
            f"for example vizdoom/my_way_home."
        )
    return VizDoom(scenario, size)


def make_player(name: str) -> Player:
    """Return a new player; raise UserError for an unknown name."""
    if name not in PLAYERS:
        raise UserError(f"There is no player {name!r}; choose one of {', '.join(PLAYERS)}.")
    return PLAYERS[name]()

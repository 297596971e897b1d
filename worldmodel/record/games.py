"""Records the games we wrap and the dream: `worldmodel record DATA --game` or `--world`."""

from pathlib import Path

from worldmodel.errors import UserError
from worldmodel.games.base import Game
from worldmodel.games.catalogue import make_player, open_game
from worldmodel.record.config import GameConfig


def record_game(data: Path, config: GameConfig) -> None:
    """Record episodes of a game or a dream into data/train and data/heldout.

    Finishes first what a killed recorder left there. Raises UserError: no such game, world, scene
    or player, no display for a person, impossible settings, other episodes in the folder, a full
    disk.
    """
    _check(config)
    if config.player == "person":
        from worldmodel.play.window import windows

        cv2 = windows()  # before PyAV is imported, which the recording needs
    from worldmodel.record.playing import Playing

    with open_world(config) as game:
        playing = Playing(data, game, config)
        if config.player == "person":
            from worldmodel.record.person import Person

            person = Person(cv2, game, config.scale)
            try:
                playing.run(person)
            finally:
                person.close()
        else:
            playing.run(make_player(config.player))


def open_world(config: GameConfig) -> Game:
    """The game, or the dream in the dress of one. Raises UserError."""
    if config.game is not None:
        return open_game(config.game, config.size)
    from worldmodel.play.dream import Dream
    from worldmodel.play.engine import load_engine

    engine = load_engine(config.world, device=config.device, speed=config.speed)
    if config.size not in (engine.size, GameConfig.size):
        raise UserError(
            f"{engine.title} dreams frames of {engine.size[1]}x{engine.size[0]}, and --size asks "
            "for others; leave it out"
        )
    known = {scene.name: scene for scene in engine.scenes}
    if config.scene is not None and config.scene not in known:
        raise UserError(f"there is no scene {config.scene!r} in {engine.title}, only {[*known]}")
    return Dream(engine, known.get(config.scene))


def _check(config: GameConfig) -> None:
    if (config.game is None) == (config.world is None):
        raise UserError("--game and --world exclude each other; give one of them")
    if config.scene is not None and config.world is None:
        raise UserError("--scene is a place in a world; give it with --world")
    if config.player != "person":
        make_player(config.player)
    numbers = config.frames - 1, config.episodes or 1, config.scale, config.seed + 1
    if min(numbers) < 1 or (config.seconds is not None and config.seconds <= 0):
        raise UserError(
            "an episode needs 2 frames or more, --episodes and --scale 1 or more, --seed 0 or "
            "more and --seconds a time"
        )

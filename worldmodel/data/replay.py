"""Recorded episodes played again in their game: the same seed and controls, the same frames."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from worldmodel.data.atomic import partial_of
from worldmodel.data.clips import FrameStore, Span
from worldmodel.data.progress import Progress
from worldmodel.errors import UserError
from worldmodel.games.base import Game
from worldmodel.games.downscale import box_mean

ALIKE = 25.0  # dB between a recorded frame, which video has changed a little, and the replayed one


def replay(game: Game, seed: int, controls: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the frames uint8 [h w 3] of `controls` float32 [t m], the first of which is reset's.

    Ends early where the game does.
    """
    yield game.reset(seed)
    for control in controls[1:]:
        frame = game.step(control)
        if game.done:
            return
        yield frame


def require_alike(recorded: np.ndarray, replayed: np.ndarray, store: FrameStore) -> None:
    """Raise UserError when the frames uint8 [h w 3] show different things; the replayed one may be
    smaller."""
    recorded = box_mean(recorded, replayed.shape[:2])
    error = np.square(recorded.astype(np.float32) - replayed).mean()
    if 10 * np.log10(255**2 / max(error, 1e-3)) < ALIKE:
        raise UserError(
            f"{store.game} does not show again what was recorded in {store.folder}; use the "
            "version of the game that recorded it, or record again with worldmodel collect"
        )


def require_pose(game: Game) -> None:
    """Raise UserError when the game cannot tell where the player stands."""
    if getattr(type(game), "pose", None) is None:  # a property that an episode gives its value
        raise UserError(
            f"{game.name} does not tell where the player stands; choose a ViZDoom scenario"
        )


def pose_of(game: Game) -> tuple[float, ...]:
    """x, y and degrees, as the game tells them now."""
    return game.pose


def recorded_poses(
    game: Game, store: FrameStore, episodes: int, cache: Path,
    told: Callable[[Game], tuple[float, ...]] = pose_of, size: int = 3,
) -> np.ndarray:  # fmt: skip
    """Poses float32 [n 3] (x, y, degrees) of the first `episodes` (0: of all), from `cache` or by
    replay; or else what is `told`, so many numbers.

    Raises UserError when the game does not show again what was recorded.
    """
    spans = store.episodes[: episodes or None]
    if cache.exists():
        found = np.load(cache)
        if found.shape == (spans[-1].stop, size):
            return found
    poses = np.zeros((spans[-1].stop, size), np.float32)
    progress = Progress(f"poses {store.folder.name}", len(poses), "frames")
    for span in spans:
        poses[span.start : span.stop] = _poses(game, store, span, told)
        progress.advance(span.stop - span.start)
    progress.finish()
    with partial_of(cache).open("wb") as file:
        np.save(file, poses)
    partial_of(cache).replace(cache)
    return poses


def _poses(
    game: Game, store: FrameStore, span: Span, told: Callable[[Game], tuple[float, ...]]
) -> np.ndarray:
    rows = slice(span.start, span.stop)
    poses, frame = [], store.frames[span.start]
    for frame in replay(game, span.seed, store.controls[rows]):  # noqa: B007
        poses.append(told(game))
    require_alike(store.frames[span.start + len(poses) - 1], frame, store)
    return np.array(poses, np.float32)

"""Has players play a game and records the episodes, in parallel and resumable."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache, partial
from os import cpu_count
from pathlib import Path

from worldmodel.data.atomic import remove_partials
from worldmodel.data.episode import EpisodeWriter
from worldmodel.data.meta import Meta
from worldmodel.data.plan import SPLITS, Collection, Job, claim, missing
from worldmodel.data.progress import Progress
from worldmodel.data.workers import close_with_worker, in_parallel
from worldmodel.errors import UserError
from worldmodel.games.base import Game
from worldmodel.games.catalogue import cast_of, make_player, open_game

Opener = Callable[[str, tuple[int, int]], Game]


def collect(
    out: str | Path,
    *,
    game: str = "vizdoom/my_way_home",
    size: tuple[int, int] = (96, 128),
    frames: int = 160_000,
    heldout_frames: int = 10_000,
    workers: int | None = None,
    seed: int = 0,
    shortest: int = 400,
    longest: int = 600,
    players: tuple[str, ...] | None = None,
    opener: Opener = open_game,
) -> None:
    """Record at least so many frames into out/train/<episode> and out/heldout/<episode>.

    `size` is (height, width). Episodes that are there already are kept: a stopped collection goes
    on with the same call, and ends with the episodes that an uninterrupted one makes. A larger
    number of frames adds episodes. X

    Raises UserError when `out` holds a collection of another game, size, seed, length or other
    players, when a number is out of range, a player is unknown, or when the game cannot be started.
    """
    out = Path(out)
    if not 2 <= shortest <= longest or min(frames, heldout_frames) < 0 or seed < 0:
        raise UserError(
            f"Episodes need 2 or more frames and numbers of 0 or more, but lengths of {shortest} "
            f"to {longest}, {frames} and {heldout_frames} frames and seed {seed} were given."
        )
    players = players or cast_of(game)
    for player in players:
        make_player(player)
    collection = Collection(
        game=game, size=size, seed=seed, shortest=shortest, longest=longest, players=players
    )
    claim(out, collection)
    wanted = dict(zip(SPLITS, (frames, heldout_frames), strict=True))
    for split in SPLITS:
        (out / split).mkdir(exist_ok=True)
        remove_partials(out / split)
    progress = None
    while jobs := [job for s in SPLITS for job in missing(out, collection, s, wanted[s])]:
        if progress is None:
            progress = Progress("collect", frames + heldout_frames, "frames")
            progress.skip(progress.total - sum(job.frames for job in jobs))
        for count in _record_all(jobs, opener, game, size, workers or cpu_count() or 1):
            progress.advance(count)
    if progress is not None:
        progress.finish()


def _record_all(
    jobs: list[Job], opener: Opener, game: str, size: tuple[int, int], workers: int
) -> Iterator[int]:
    """Record all jobs; yield each one's frames as it is finished."""
    if workers == 1:
        with opener(game, size) as world:
            yield from (record(world, job) for job in jobs)
        return
    yield from in_parallel(partial(_work, opener, game, size), jobs, workers)


def record(game: Game, job: Job) -> int:
    """Play and record one episode; return its number of frames."""
    player = make_player(job.player)
    player.reset(job.player_seed)
    meta = Meta(
        fps=game.fps,
        size=game.size,
        controls=game.controls,
        game=game.name,
        seed=job.game_seed,
        player=job.player,
        licence=game.licence,
    )
    with EpisodeWriter(job.folder, meta) as episode:
        episode.append(game.reset(job.game_seed), game.controls.vector())
        while episode.frames < job.frames:
            controls = player.act(game)
            frame = game.step(controls)
            if game.done:
                episode.meta = replace(meta, ended=True)
                break
            episode.append(frame, controls)
        return episode.frames


def _work(opener: Opener, game: str, size: tuple[int, int], job: Job) -> int:
    return record(_open_once(opener, game, size), job)


@cache
def _open_once(opener: Opener, game: str, size: tuple[int, int]) -> Game:
    """One game per worker process, stopped with it."""
    world = opener(game, size)
    close_with_worker(world.close)
    return world

"""`worldmodel bench attention`: one block's attention over the cache, by window and players."""

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
from torch import Tensor

from worldmodel.checkpoint import load_checkpoint
from worldmodel.errors import UserError
from worldmodel.evaluate.bench.compare import Sample
from worldmodel.evaluate.bench.decode import SPEEDS, known_speed
from worldmodel.evaluate.bench.machine import machine, matrix_rates, milliseconds, use_threads
from worldmodel.evaluate.bench.report import progress
from worldmodel.evaluate.flops import attention
from worldmodel.model.layers import attention as attend
from worldmodel.model.transformer import WorldConfig
from worldmodel.play.graph import Graph, compiled
from worldmodel.play.speed import REWRITES

WARM = 3


def bench_attention(
    checkpoint: Path | str,
    *,
    windows: tuple[int, ...] = (4, 12, 24, 48),
    players: tuple[int, ...] = (1, 2, 4, 8),
    speeds: tuple[str, ...] = SPEEDS,
    repeats: int = 30,
    threads: int | None = None,
) -> dict[str, object]:
    """Measure the attention of a world's sizes over windows (frames) of the past; JSON-ready.

    Raises UserError: no such checkpoint, an unknown speed, a window or number below 1.
    """
    use_threads(threads)
    config = load_checkpoint(Path(checkpoint)).config.world
    rates, rows = matrix_rates(), []
    for window in windows:
        for count in players:
            progress(f"window {window}, players {count}")
            for speed in speeds:
                once = attention_of(config, window, count, speed)
                seconds = [once() for _ in range(repeats)]
                work = attention(config, window, count) / 1e9
                best = rates["bfloat16" if speed.endswith("bf16") else "float32"]
                rows.append(
                    {
                        "window": window,
                        "players": count,
                        "speed": speed,
                        "ms": milliseconds(seconds),
                        "gflop": work,
                        "fraction_of_matrix_rate": work / median(seconds) / best,
                    }
                )
    return {
        "bench": "attention", "checkpoint": str(checkpoint), "tokens_a_frame": config.tokens,
        "heads": config.heads, "attention": rows, "machine": machine(),
    }  # fmt: skip


def sample_attention(
    checkpoint: Path | str,
    *,
    window: int = 12,
    players: int = 1,
    speed: str = "plain",
    threads: int | None = None,
) -> Sample:
    """For comparisons: seconds of one block's attention for one player."""
    use_threads(threads)
    config = load_checkpoint(Path(checkpoint)).config.world
    once = attention_of(config, window, players, speed)

    def sample() -> float:
        use_threads(threads)
        return once() / players

    return sample


def attention_of(config: WorldConfig, window: int, players: int, speed: str) -> Callable[[], float]:
    """A function that attends once and returns the seconds, warm."""
    known_speed(speed)
    if min(window, players) < 1:
        raise UserError(f"windows and players must be at least 1, found {window} and {players}")
    shape, n = (players, config.heads), config.tokens
    own = [torch.randn(*shape, n, config.head) for _ in range(3)]
    past = [torch.randn(*shape, n * window, config.head) for _ in range(2)]
    mask = torch.ones(players, 1, 1, n * (window + 1), dtype=torch.bool)
    function = over_cache
    if speed != "plain":
        function = Graph(over_cache, REWRITES[speed])

    @torch.inference_mode()
    def once() -> float:
        began = time.perf_counter()
        function(*own, *past, mask)
        return time.perf_counter() - began

    once()
    compiled()
    for _ in range(WARM):
        once()
    return once


def over_cache(
    query: Tensor, key: Tensor, value: Tensor, past_keys: Tensor, past_values: Tensor, mask: Tensor
) -> tuple[Tensor]:
    """A frame's queries over the past and the frame itself, as a dense block attends."""
    keys, values = (torch.cat(x, dim=-2) for x in ((past_keys, key), (past_values, value)))
    return (attend(query, keys, values, mask),)

"""`worldmodel bench decode`: from latents to a picture, by its size, threads and speed.

A tokenizer's convolutions take pictures of any size, so one checkpoint tells for all.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

import torch
from torch import Tensor

from worldmodel.checkpoint import load_checkpoint
from worldmodel.errors import UserError
from worldmodel.evaluate.bench.compare import Sample
from worldmodel.evaluate.bench.machine import machine, matrix_rates, milliseconds, use_threads
from worldmodel.evaluate.bench.report import progress
from worldmodel.evaluate.flops import decoder
from worldmodel.model.tokenizer import PATCH, Tokenizer, TokenizerConfig, to_uint8
from worldmodel.play.graphs import TokenizerGraphs
from worldmodel.play.speed import REWRITES

SPEEDS = ("plain", *REWRITES)
WARM = 3


def bench_decode(
    checkpoint: Path | str,
    *,
    heights: tuple[int, ...] = (96, 144, 192, 384),
    threads: tuple[int, ...] = (1, 2),
    speeds: tuple[str, ...] = SPEEDS,
    repeats: int = 30,
) -> dict[str, object]:
    """Measure pictures of these heights and the checkpoint's aspect; JSON-ready.

    Raises UserError: no such checkpoint, a height that is no multiple of 8, an unknown speed.
    """
    tokenizer = load_checkpoint(Path(checkpoint)).tokenizer
    rows = []
    for count in threads:
        use_threads(count)
        rates = matrix_rates()
        for height in heights:
            for speed in speeds:
                progress(f"{height} pixels high, {count} threads, {speed}")
                decode, config = decoder_of(tokenizer, height, speed)
                seconds = [decode() for _ in range(repeats)]
                best = rates["bfloat16" if speed.endswith("bf16") else "float32"]
                rows.append(
                    {
                        "size": f"{config.width}x{config.height}",
                        "threads": count,
                        "speed": speed,
                        "ms": milliseconds(seconds),
                        "gflop": decoder(config) / 1e9,
                        "fraction_of_matrix_rate": decoder(config) / 1e9 / median(seconds) / best,
                    }
                )
    return {
        "bench": "decode", "checkpoint": str(checkpoint), "decode": rows, "machine": machine()
    }  # fmt: skip


def sample_decode(
    checkpoint: Path | str, *, height: int = 96, speed: str = "plain", threads: int | None = None
) -> Sample:
    """For comparisons: seconds of one picture."""
    use_threads(threads)
    decode, _ = decoder_of(load_checkpoint(Path(checkpoint)).tokenizer, height, speed)

    def sample() -> float:
        use_threads(threads)
        return decode()

    return sample


def decoder_of(
    tokenizer: Tokenizer, height: int, speed: str
) -> tuple[Callable[[], float], TokenizerConfig]:
    """A function that decodes one picture of that height and returns the seconds, warm."""
    known_speed(speed)
    size = tokenizer.config
    width = round(height * size.width / size.height / PATCH) * PATCH
    config = replace(size, height=height, width=max(PATCH, width))
    sized = Tokenizer(config).eval().requires_grad_(False)
    sized.load_state_dict(tokenizer.state_dict())
    pictures: Callable[[Tensor], Tensor] = sized.pictures
    if speed != "plain":
        pictures = TokenizerGraphs(sized, REWRITES[speed]).pictures
    draw = torch.Generator().manual_seed(0)
    latents = torch.randn(
        1, config.grid[0] * config.grid[1], config.latent_channels, generator=draw
    )

    @torch.inference_mode()
    def decode() -> float:
        began = time.perf_counter()
        to_uint8(pictures(latents))
        return time.perf_counter() - began

    for _ in range(WARM):
        decode()
    return decode, config


def known_speed(speed: str, speeds: Sequence[str] = SPEEDS) -> None:
    if speed not in speeds:
        raise UserError(f"unknown speed {speed!r}; choose one of {', '.join(speeds)}")

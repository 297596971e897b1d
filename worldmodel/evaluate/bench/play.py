"""`worldmodel bench play`: what a frame costs on this machine, stage by stage.

Meant for a quiet machine: beside other work it measures the other work.
"""

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from statistics import median

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from worldmodel.evaluate.bench.compare import Sample
from worldmodel.evaluate.bench.machine import (
    machine,
    matrix_rates,
    milliseconds,
    peak_memory,
    rate,
    use_threads,
)
from worldmodel.evaluate.bench.report import progress
from worldmodel.evaluate.flops import ATTENTION, frame_flops
from worldmodel.play.engine import Engine, load_engine, step_together
from worldmodel.play.graph import compiled
from worldmodel.play.scene import Scene, blank
from worldmodel.play.speed import trial
from worldmodel.play.world import context_of
from worldmodel.serve.pictures import jpeg

ROLLOUT = 32  # frames over which the fast model is compared with the plain one
WARM = 16  # frames before measuring: the ring is full, memory is mapped
HELD = 8  # frames that a key is held
SAMPLE = 10  # frames of one sample of a comparison


def bench_play(
    checkpoint: Path | str,
    *,
    frames: int = 200,
    steps: int | None = None,
    players: tuple[int, ...] = (1, 2, 4, 8),
    device: str = "cpu",
    speed: str = "auto",
    threads: int | None = None,
) -> dict[str, object]:
    """Measure a world at its own setting, or with `steps` a frame; JSON-ready.

    Raises UserError when the world cannot be loaded or the speed cannot be had.
    """
    use_threads(threads)
    progress("loading the world twice: fast and plain")
    engine, plain = (opened(checkpoint, steps, device, name) for name in (speed, "plain"))
    scene = opening(engine)
    progress(f"{frames} frames alone")
    stages = measure(engine, scene, frames)
    whole = median(stages["frame"])
    formula = flops_by_formula(engine)
    rates = matrix_rates(device)
    best = rates["bfloat16" if engine.speed.endswith("bf16") else "float32"]
    early, late = early_and_late(engine, scene)
    return {
        "bench": "play",
        "checkpoint": str(checkpoint),
        "frames_per_second": rate(stages["frame"]),
        "milliseconds": {name: milliseconds(seconds) for name, seconds in stages.items()},
        "gflop_per_frame": {name: value / 1e9 for name, value in formula.items()}
        | {"total": sum(formula.values()) / 1e9, "counted": flops_counted(plain, scene) / 1e9},
        "matrix_gflops": rates,
        "fraction_of_matrix_rate": sum(formula.values()) / 1e9 / whole / best,
        "milliseconds_at_frame": {"100": milliseconds(early), "10000": milliseconds(late)},
        "players": throughput(engine, scene, players, frames // 4),
        "player_mb": sum(x.nbytes for x in vars(engine.cache.memory).values()) / 1e6,
        "peak_memory_mb": peak_memory(),
        "speed": engine.speed,
        "candidates_ms": {n: 1000 * s for n, s in engine.world.speed.measured.items()},
        "against_plain": agreement(engine, plain, scene),
        "settings": asdict(engine.settings),
        "machine": machine(device),
    }


def sample_play(
    checkpoint: Path | str,
    *,
    steps: int | None = None,
    players: int = 1,
    device: str = "cpu",
    speed: str = "auto",
    threads: int | None = None,
) -> Sample:
    """For comparisons: median seconds of a frame for one player, stepped as one of so many."""
    use_threads(threads)
    engine = opened(checkpoint, steps, device, speed)
    crowd = together(engine, opening(engine), players)

    def sample() -> float:
        use_threads(threads)
        return median(step_crowd(crowd, i) for i in range(SAMPLE)) / players

    return sample


def opened(checkpoint: Path | str, steps: int | None, device: str, speed: str) -> Engine:
    engine = load_engine(checkpoint, device, speed)
    if steps is not None:
        engine.settings = replace(engine.settings, steps=steps)
    return engine


def opening(engine: Engine) -> Scene:
    return engine.scenes[0] if engine.scenes else blank(engine.size, engine.controls.size)


def measure(engine: Engine, scene: Scene, frames: int) -> dict[str, list[float]]:
    """Seconds of each stage for so many frames with keys that change; "frame" is the engine's."""
    engine.reset(scene, seed=0)
    seconds: dict[str, list[float]] = defaultdict(list)
    for i in range(-WARM, frames):
        began = time.perf_counter()
        frame = engine.step(control(engine, i))
        made = time.perf_counter()
        jpeg(frame)
        if i >= 0:
            stages = engine.timings | {"frame": made - began, "jpeg": time.perf_counter() - made}
            for name, value in stages.items():
                seconds[name].append(value)
    return dict(seconds)


def control(engine: Engine, frame: int) -> np.ndarray:
    """One button after another, each held for a while."""
    controls = engine.controls.vector()
    controls[frame // HELD % len(engine.controls.buttons)] = 1
    return controls


def together(engine: Engine, scene: Scene, players: int) -> list[Engine]:
    """So many players in one scene, each with noise of his own, whose graphs are compiled."""
    crowd = [engine.fork() for _ in range(players)]
    for seed, player in enumerate(crowd):
        player.reset(scene, seed)
    step_crowd(crowd, 0)
    compiled()
    for i in range(WARM):
        step_crowd(crowd, i)
    return crowd


def step_crowd(crowd: list[Engine], frame: int) -> float:
    """Seconds that a frame for all of them takes; each holds another key."""
    controls = [control(player, frame + HELD * i) for i, player in enumerate(crowd)]
    began = time.perf_counter()
    step_together(crowd, controls)
    return time.perf_counter() - began


def throughput(
    engine: Engine, scene: Scene, counts: Sequence[int], frames: int
) -> list[dict[str, object]]:
    """Frames a second of all players together, stepped as one batch, by how many they are."""
    rows = []
    for players in counts:
        progress(f"{players} players as one batch")
        crowd = together(engine, scene, players)
        seconds = [step_crowd(crowd, i) for i in range(max(1, frames))]
        made = rate(seconds, players)
        rows.append({"players": players, "frames_per_second": made, "ms": milliseconds(seconds)})
    return rows


def early_and_late(
    engine: Engine, scene: Scene, rounds: int = 20
) -> tuple[list[float], list[float]]:
    """Seconds of a frame after 100 and after 10,000 frames, measured in turns."""
    engine.reset(scene, seed=0)
    for i in range(WARM):
        engine.step(control(engine, i))
    moment = engine.snapshot()
    seconds: dict[int, list[float]] = {100: [], 10_000: []}
    for _ in range(rounds):
        for frame, measured in seconds.items():
            count = torch.full_like(moment.memory.count, frame)
            memory = replace(moment.memory, count=count)
            engine.restore(replace(moment, memory=memory, frame_index=frame))
            began = time.perf_counter()
            engine.step(control(engine, 0))
            measured.append(time.perf_counter() - began)
    return seconds[100], seconds[10_000]


def agreement(engine: Engine, plain: Engine, scene: Scene) -> dict[str, float]:
    """How far a rollout at this speed is from the plain model's, from the same noise and keys."""
    runs = []
    for each in (engine, plain):
        nets = each.world.networks
        runs.append(trial(nets, context_of(plain.world, scene), frames=ROLLOUT))
    latent = (runs[0].latents - runs[1].latents).abs()
    pixel = np.abs(runs[0].frames.astype(np.int16) - runs[1].frames)
    return {
        "frames": ROLLOUT,
        "latent_max": float(latent.max()),
        "grey_levels_max": float(pixel.max()),
        "grey_levels_mean": float(pixel.mean()),
    }


def flops_by_formula(engine: Engine) -> dict[str, int]:
    """Operations of a frame by stage; guidance looks twice."""
    config, motion = engine.world.config, engine.world.motion
    steps = engine.settings.steps * (1 if engine.settings.guidance == 1 else 2)
    again = engine.settings.finishing_look or engine.settings.context_noise > 0
    sizes = config.tokenizer, config.world, motion and motion.config
    return frame_flops(*sizes, steps, finishing_look=again)


def flops_counted(plain: Engine, scene: Scene) -> int:
    """The same as PyTorch counts them while the plain model makes a frame."""
    plain.reset(scene, seed=0)
    with FlopCounterMode(display=False, custom_mapping=ATTENTION) as counter:
        plain.step(control(plain, 0))
    return counter.get_total_flops()

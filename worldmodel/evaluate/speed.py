"""`worldmodel bench play`: what a frame costs on this machine, stage by stage.

Meant for a quiet machine: beside other work it measures the other work.
"""

import json
import os
import platform
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from statistics import median

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from worldmodel.evaluate.flops import frame_flops
from worldmodel.play.engine import Engine, load_engine
from worldmodel.play.scene import Scene, blank
from worldmodel.play.speed import Networks, trial
from worldmodel.play.world import context_of
from worldmodel.serve.pictures import jpeg

ROLLOUT = 32  # frames over which the fast model is compared with the plain one
WARM = 16  # frames before measuring: the ring is full, memory is mapped
HELD = 8  # frames that a key is held


def bench_play(
    folder: Path | str,
    *,
    frames: int = 200,
    steps: int | None = None,
    device: str = "cpu",
    speed: str = "auto",
    threads: int | None = None,
) -> dict[str, object]:
    """Measure the world in `folder` at its own setting, or with `steps` a frame; JSON-ready.

    Raises UserError when the world cannot be loaded or the speed cannot be had.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    engine, plain = (load_engine(folder, device, name) for name in (speed, "plain"))
    if steps is not None:
        engine.settings = replace(engine.settings, steps=steps)
        plain.settings = engine.settings
    scene = engine.scenes[0] if engine.scenes else blank(engine.size, engine.controls.size)
    stages = measure(engine, scene, frames)
    whole = median(stages["frame"])
    formula = flops_by_formula(engine)
    rates = {name: matrix_rate(getattr(torch, name), device) for name in ("float32", "bfloat16")}
    rate = rates["bfloat16" if engine.speed.endswith("bf16") else "float32"]
    early, late = early_and_late(engine, scene)
    return {
        "checkpoint": str(folder),
        "frames_per_second": 1 / whole,
        "milliseconds": {name: percentiles(seconds) for name, seconds in stages.items()},
        "gflop_per_frame": {name: value / 1e9 for name, value in formula.items()}
        | {"total": sum(formula.values()) / 1e9, "counted": flops_counted(plain, scene) / 1e9},
        "matrix_gflops": rates,
        "fraction_of_matrix_rate": sum(formula.values()) / 1e9 / whole / rate,
        "milliseconds_at_frame": {"100": 1000 * early, "10000": 1000 * late},
        "peak_memory_mb": peak_memory(),
        "speed": engine.speed,
        "candidates_ms": {n: 1000 * s for n, s in engine.world.speed.measured.items()},
        "against_plain": agreement(engine, plain, scene),
        "settings": asdict(engine.settings),
        "machine": machine(device),
    }


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


def early_and_late(engine: Engine, scene: Scene, rounds: int = 20) -> tuple[float, float]:
    """Median seconds of a frame after 100 and after 10,000 frames, measured in turns."""
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
    return median(seconds[100]), median(seconds[10_000])


def agreement(engine: Engine, plain: Engine, scene: Scene) -> dict[str, float]:
    """How far a rollout at this speed is from the plain model's, from the same noise and keys."""
    runs = []
    for each in (engine, plain):
        nets = Networks(each.world.network, each.world.tokenizer, each.world.motion)
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
    return frame_flops(config.tokenizer, config.world, motion and motion.config, steps)


def flops_counted(plain: Engine, scene: Scene) -> int:
    """The same as PyTorch counts them while the plain model makes a frame."""
    plain.reset(scene, seed=0)
    flash = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu  # which it does not know
    with FlopCounterMode(display=False, custom_mapping={flash: attention_flops}) as counter:
        plain.step(control(plain, 0))
    return counter.get_total_flops()


def attention_flops(
    query: Sequence[int], key: Sequence[int], value: Sequence[int], *rest: object, **more: object
) -> int:
    """Operations of attention over shapes [b k n e], [b k s e] and [b k s e]."""
    return sdpa_flop_count(query, key, value)


@torch.inference_mode()
def matrix_rate(dtype: torch.dtype, device: str = "cpu", size: int = 1024) -> float:
    """The best rate of a square matrix product seen in half a second, in GFLOP/s."""
    a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    best, began = float("inf"), time.perf_counter()
    while time.perf_counter() - began < 0.5:
        start = time.perf_counter()
        (a @ b)[0, 0].item()
        best = min(best, time.perf_counter() - start)
    return 2 * size**3 / best / 1e9


def percentiles(seconds: list[float]) -> dict[str, float]:
    """p50 and p95 in milliseconds."""
    p50, p95 = np.percentile(seconds, [50, 95]) * 1000
    return {"p50": float(p50), "p95": float(p95)}


def peak_memory() -> float | None:
    """The most memory that this process ever had, in MB; None where the system does not tell."""
    try:
        import resource
    except ImportError:
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (2**20 if sys.platform == "darwin" else 2**10)


def machine(device: str) -> dict[str, object]:
    """What the figures belong to."""
    found = {"processor": processor(), "cores": os.cpu_count(), "threads": torch.get_num_threads()}
    if device.startswith("cuda"):
        found["device"] = torch.cuda.get_device_name(device)
    return found | {"torch": torch.__version__, "system": platform.platform()}


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def print_play(report: dict[str, object], *, as_json: bool = False) -> None:
    """Print what `bench_play` returned: for people, or as one line of JSON."""
    if as_json:
        print(json.dumps(report))
        return
    machine, settings = report["machine"], report["settings"]
    print(f"{report['checkpoint']} on {machine['processor']}, {machine['threads']} threads")
    print(f"  {report['frames_per_second']:.1f} frames/s ({report['speed']}, {settings})")
    for name, value in report["milliseconds"].items():
        print(f"  {name:8} {value['p50']:7.2f} ms, 95 % under {value['p95']:.2f} ms")
    work, rates = report["gflop_per_frame"], report["matrix_gflops"]
    print(
        f"  {work['total']:.2f} GFLOP a frame (counted {work['counted']:.2f}), "
        f"{report['fraction_of_matrix_rate']:.0%} of the matrix rate "
        f"({rates['float32']:.0f} float32, {rates['bfloat16']:.0f} bfloat16 GFLOP/s)"
    )
    at, off = report["milliseconds_at_frame"], report["against_plain"]
    print(f"  frame 100: {at['100']:.2f} ms, frame 10,000: {at['10000']:.2f} ms")
    print(f"  at most {report['peak_memory_mb'] or 0:.0f} MB of memory")
    print(
        f"  {off['grey_levels_mean']:.3f} grey levels from the plain model over {off['frames']} "
        f"frames (at most {off['grey_levels_max']:.0f})"
    )

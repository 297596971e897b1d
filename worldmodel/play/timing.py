"""How long the stages of a step take."""

import time

import torch


class Clock:
    """Seconds of each stage of a step; "model" is all but decoding."""

    def __init__(self, device: torch.device) -> None:
        self.device, self.last = device, time.perf_counter()
        self.stages = {"model": 0.0}

    def lap(self, stage: str) -> None:
        """The stage has ended; waits until the device has done what it was asked to."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        now = time.perf_counter()
        self.stages[stage] = now - self.last
        self.stages["model"] += now - self.last if stage != "decode" else 0.0
        self.last = now

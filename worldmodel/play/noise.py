"""The noise of a frame is a function of the seed and the frame's index alone."""

import hashlib

import torch
from torch import Tensor

START, CONTEXT, FRESH = "start", "context", "fresh"


def frame_noise(shape: tuple[int, ...], seed: int, frame: int, use: str) -> Tensor:
    """Standard normal noise on the CPU; `use` keeps the draws of one frame apart."""
    digest = hashlib.blake2b(f"{seed}/{frame}/{use}".encode(), digest_size=8).digest()
    draw = torch.Generator().manual_seed(int.from_bytes(digest, "big"))
    return torch.randn(shape, generator=draw)

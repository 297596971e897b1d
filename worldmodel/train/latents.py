"""Latents of prepared frames, computed once and kept beside them, drawn as clips."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from worldmodel.checkpoint import encoder_hash, tokenizer_hash
from worldmodel.data.clips import FrameStore, gather
from worldmodel.data.latents import encode_store, fill_store
from worldmodel.model.motion import FELT, Motion
from worldmodel.model.tokenizer import Tokenizer, to_float
from worldmodel.train.config import TrainConfig


@dataclass(frozen=True)
class LatentClips:
    """A split in latents float16 [frames n c]; `carried` is what each frame starts from."""

    store: FrameStore
    latents: np.ndarray
    carried: np.ndarray | None

    def draw(self, starts: np.ndarray, length: int) -> tuple[Tensor, ...]:
        """Clips at rows `starts`: latents, controls and, if there is motion, carried latents."""
        arrays = [self.latents, self.store.controls]
        arrays += [] if self.carried is None else [self.carried]
        return tuple(torch.from_numpy(gather(a, starts, length)).float() for a in arrays)


def encode_frames(store: FrameStore, tokenizer: Tokenizer, config: TrainConfig) -> np.ndarray:
    """Latents float16 [frames n c] of a prepared split, encoded now or read from its cache."""

    @torch.inference_mode()
    def encode(frames: np.ndarray) -> np.ndarray:
        with torch.autocast(_kind(tokenizer), torch.bfloat16, enabled=config.bf16):
            return tokenizer.encode(torch.tensor(frames)).numpy()

    return encode_store(store.folder, encode, encoder_hash(tokenizer))


def carry_frames(
    store: FrameStore,
    latents: np.ndarray,
    tokenizer: Tokenizer,
    motion: Motion,
    config: TrainConfig,
) -> np.ndarray:
    """Carried latents float16 [frames n c]: each frame's predecessor moved as its keys say.

    An episode's first frame has no predecessor; its row holds zeros.
    """
    history = motion.config.history
    starts = np.array([episode.start for episode in store.episodes])
    since = (
        np.arange(len(store)) - starts[np.searchsorted(starts, np.arange(len(store)), "right") - 1]
    )

    @torch.inference_mode()
    def produce(rows: slice) -> np.ndarray:
        at = np.arange(rows.start, rows.stop)

        def seen(back: int) -> Tensor:  # before an episode its first frame stood still
            return torch.from_numpy(latents[at - np.minimum(back, since[at])]).float()

        def held(back: int) -> np.ndarray:
            return store.controls[np.maximum(at - back, 0)] * (since[at] >= back)[:, None]

        controls = torch.from_numpy(
            np.stack([held(back) for back in reversed(range(history + FELT - 2))], axis=1)
        ).float()
        picture = store.frames[at - np.minimum(1, since[at])]
        with torch.autocast(_kind(tokenizer), torch.bfloat16, enabled=config.bf16):
            past = torch.stack([seen(back) for back in reversed(range(1, FELT + 1))], dim=1)
            flow = motion.flow_of(past, controls[:, :-1])
            moved, *_ = motion.carried(
                tokenizer, past[:, -1], past[:, -2], to_float(torch.from_numpy(picture)),
                controls[:, -history:].flip(1), flow,
            )  # fmt: skip
        return moved.numpy() * (since[at] > 0)[:, None, None]

    kept = "-detail" if motion.config.detail else ""
    key = f"{tokenizer_hash(tokenizer)}-{tokenizer_hash(motion)}{kept}"
    return fill_store(store, produce, key)


def _kind(network: nn.Module) -> str:
    return next(network.parameters()).device.type

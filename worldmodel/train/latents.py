"""Latents of prepared frames, computed once and kept beside them, drawn as clips."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from worldmodel.checkpoint import encoder_hash, tokenizer_hash
from worldmodel.data.clips import FrameStore, gather
from worldmodel.data.latents import encode_store, fill_store
from worldmodel.model.carrier import Carrier
from worldmodel.model.motion import FELT, Motion
from worldmodel.model.tokenizer import Tokenizer, to_float
from worldmodel.train.config import TrainConfig
from worldmodel.train.half import half


@dataclass(frozen=True)
class LatentClips:
    """A split in latents float16 [frames n c]; `carried` is what each frame starts from, float16
    [frames n c], and in worlds that keep what is off-screen [frames n c+1]: the last number is the
    share of a place that is known.
    """

    store: FrameStore
    latents: np.ndarray
    carried: np.ndarray | None

    def draw(self, starts: np.ndarray, length: int) -> tuple[Tensor, ...]:
        """Clips at rows `starts`: latents, controls and, if there is motion, carried latents."""
        arrays = [self.latents, self.store.controls]
        clips = [torch.as_tensor(gather(a, starts, length)).float() for a in arrays]
        if self.carried is not None:
            clips.append(self._carried(starts, length)[..., : clips[0].shape[-1]])
        return tuple(clips)

    def known(self, starts: np.ndarray, length: int) -> Tensor | None:
        """The share [b length n] of each place that is known; None where motion alone tells it."""
        if self.carried is None or self.carried.shape[-1] == self.latents.shape[-1]:
            return None
        return self._carried(starts, length)[..., -1]

    def _carried(self, starts: np.ndarray, length: int) -> Tensor:
        return torch.as_tensor(gather(self.carried, starts, length)).float()


def encode_frames(store: FrameStore, tokenizer: Tokenizer, config: TrainConfig) -> np.ndarray:
    """Latents float16 [frames n c] of a prepared split, encoded now or read from its cache."""

    @torch.inference_mode()
    def encode(frames: np.ndarray) -> np.ndarray:
        with half(_kind(tokenizer), wanted=config.bf16):
            return tokenizer.encode(torch.tensor(frames)).numpy()

    return encode_store(store.folder, encode, encoder_hash(tokenizer))


def carry_frames(
    store: FrameStore,
    latents: np.ndarray,
    tokenizer: Tokenizer,
    motion: Motion,
    config: TrainConfig,
) -> np.ndarray:
    """Carried latents float16 [frames n c]: each frame's predecessor moved as its keys say; with
    what is known as `LatentClips` has it.

    An episode's first frame has no predecessor; its row holds zeros.
    """
    kept = "".join(f"-{how}" for how in ("detail", "measured") if getattr(motion.config, how))
    if motion.config.margin:
        how = *motion.config.offscreen, motion.config.bend, motion.config.astray
        kept += "-kept{}x{}-bend{:g}-astray{:g}".format(*how)
    if motion.contact is not None:
        kept += "-scrolled"
    key = f"{tokenizer_hash(tokenizer)}-{tokenizer_hash(motion)}{kept}"
    return fill_store(store, Carrying(store, latents, Carrier(motion, tokenizer), config).rows, key)


class Carrying:
    """An episode's frames moved one after the other, the flows of many at once."""

    def __init__(
        self, store: FrameStore, latents: np.ndarray, carrier: Carrier, config: TrainConfig
    ) -> None:
        self.store, self.latents = store, latents
        self.carrier, self.bf16 = carrier, config.bf16
        starts, rows = (
            np.array([episode.start for episode in store.episodes]),
            np.arange(len(store)),
        )
        self.since = rows - starts[np.searchsorted(starts, rows, "right") - 1]
        self.next, self.around, self.lag = 0, None, None  # the row that goes on from what is around

    @torch.inference_mode()
    def rows(self, rows: slice) -> np.ndarray:
        """What these rows start from, float32 [rows n c or c+1]."""
        motion, tokenizer = self.carrier.motion, self.carrier.tokenizer
        if motion.config.margin and rows.start != self.next and self.since[rows.start]:
            self.rows(slice(rows.start - self.since[rows.start], rows.start))  # a run goes on
        at = np.arange(rows.start, rows.stop)
        before = at - np.minimum(1, self.since[at])
        pictures = self._pictures(before)
        with half(_kind(tokenizer), wanted=self.bf16):
            flow = self._flow(at)
            if motion.config.margin:
                moved, flow = self._moved(pictures, flow, at)
            else:
                moved = motion.move(pictures, flow)
            found, known, _ = motion.begun(tokenizer, moved, flow)
        if motion.config.margin:
            found = torch.cat([found, known[..., None]], dim=-1)
        return found.numpy() * (self.since[at] > 0)[:, None, None]

    def _pictures(self, rows: np.ndarray) -> Tensor:
        return to_float(torch.as_tensor(self.store.frames[rows]))

    def _flow(self, at: np.ndarray) -> Tensor:
        """The flows [rows 2 h' w'] that lead to rows."""
        motion = self.carrier.motion
        history, held = motion.config.history, motion.config.history + FELT - 2

        def seen(back: int) -> Tensor:  # before an episode its first frame stood still
            return torch.as_tensor(self.latents[at - np.minimum(back, self.since[at])]).float()

        def keys(back: int) -> np.ndarray:
            told = self.store.controls[np.maximum(at - back, 0)]
            return told * (self.since[at] >= back)[:, None]

        controls = torch.as_tensor(np.stack([keys(i) for i in reversed(range(held))], axis=1))
        controls = controls.float()
        past = torch.stack([seen(back) for back in reversed(range(1, FELT + 1))], dim=1)
        if motion.config.measured:
            earlier = motion.measure(
                *(self._pictures(at - np.minimum(n, self.since[at])) for n in (2, 1))
            )
        else:
            earlier = motion.flow_of(past, controls[:, :-1])
        return motion(past[:, -1], past[:, -2], controls[:, -history:].flip(1), earlier)

    def _moved(self, pictures: Tensor, flows: Tensor, at: np.ndarray) -> tuple[Tensor, Tensor]:
        """Views [rows 4 H W], each with what the rows before it have seen, and their flows."""
        carrier, moved = self.carrier, []
        for i, since in enumerate(self.since[at]):
            if since <= 1:
                self.around, self.lag = carrier.nothing(pictures[:1]), flows.new_zeros(1, 2)
            flow = flows[i : i + 1].float()
            found = carrier.motion.moved_on(pictures[i : i + 1], self.around, self.lag, flow)
            self.around, self.lag = carrier.after(found, self.lag)
            self.around = carrier.seen_anew(self.around)
            moved.append((found.view, found.behind))
        self.next = int(at[-1]) + 1
        return tuple(torch.cat(parts) for parts in zip(*moved, strict=True))


def _kind(network: nn.Module) -> str:
    return next(network.parameters()).device.type

"""Outpainting: a frame of which one side is hidden is completed, by rectified flow.

All of what is hidden has to be invented, where a world's next frame invents a narrow strip.
Shapes: b frames, n latents of a frame, c channels, H W pixels.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from worldmodel.data.clips import FrameStore
from worldmodel.diffusion.path import noised
from worldmodel.diffusion.samplers import sample_euler
from worldmodel.diffusion.schedules import even_times
from worldmodel.model.figure import filled
from worldmodel.model.outpainter import Outpainter
from worldmodel.model.tokenizer import Tokenizer, to_float, to_uint8
from worldmodel.train.config import TrainConfig
from worldmodel.train.objectives.blurring import blurred, drawn_blurs
from worldmodel.train.pictures import save_sheet
from worldmodel.train.sensitivity import channel_weights

JUDGED = 256  # held-out frames in the figures
DRAWN = 12  # held-out frames in the pictures
LOOKS = 8  # of the sampler, in the pictures
ACROSS = 0.7  # share of the frames whose left or right is hidden; of the others top or bottom
LEAST, MOST = 0.3, 0.95  # share of a frame's width or height that is shown
AGAIN = 0.3  # share of the frames that show something of the hidden side, seen before
SOFT = 0.5  # share of the frames whose shown part is blurred, as dreams are
NOISE = 0.1  # on the shown latents, in deviations, at most
PURE = 0.2  # share of the frames that are all noise


class Outpainting:
    """Frames and their latents; the network predicts clean latents where nothing is known."""

    def __init__(
        self, store: FrameStore, latents: np.ndarray, heldout: FrameStore,
        heldout_latents: np.ndarray, config: TrainConfig, tokenizer: Tokenizer,
        stays: Tensor | None = None,
    ) -> None:  # fmt: skip
        """Of what `stays` [1 1 H W] on the screen frames show what lies behind it instead."""
        self.stays = None if stays is None or not stays.any() else stays
        self.store, self.latents, self.tokenizer = store, latents, tokenizer
        self.seed, self.count, self.frames_per_step = config.seed, config.batch, config.batch
        some = latents[np.linspace(0, len(latents) - 1, 32, dtype=int)]
        self.weights = channel_weights(tokenizer, torch.from_numpy(some).float())
        rows = np.linspace(0, len(heldout) - 1, JUDGED, dtype=int)
        self.heldout = self._shown(heldout, heldout_latents, rows, np.random.default_rng(0))
        self.truth = torch.from_numpy(heldout.frames[rows])

    def batch(self, step: int) -> tuple[Tensor, Tensor, Tensor]:
        """Clean latents [b n c], shown pictures [b 3 H W] and what is known of them [b 1 H W]."""
        random = np.random.default_rng([self.seed, step])
        rows = np.sort(random.integers(len(self.store), size=self.count))
        return self._shown(self.store, self.latents, rows, random)

    def _shown(
        self, store: FrameStore, latents: np.ndarray, rows: np.ndarray, random: np.random.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        frames, clean = store.frames[rows], torch.from_numpy(latents[rows]).float()
        if self.stays is not None:
            frames = to_uint8(filled(to_float(torch.from_numpy(frames)), self.stays))
            with torch.no_grad():
                clean = self.tokenizer.encode(frames)
            frames = frames.numpy()
        shown, known = zip(*(partly_shown(frame, random) for frame in frames), strict=True)
        pictures = to_float(torch.from_numpy(np.stack(shown)))
        pictures = blurred(pictures, drawn_blurs(len(pictures), SOFT, random))
        share = torch.from_numpy(np.stack(known)).float()[:, None]
        return clean, pictures, share

    def loss(
        self, network: Outpainter, batch: tuple[Tensor, Tensor, Tensor], step: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        draw = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        tau = (torch.rand(len(batch[0]), generator=draw) * (1 + PURE) - PURE).clamp_min(0)
        by_frame = self.by_frame(network, batch, tau, draw)
        pure = by_frame.detach()[tau == 0]
        return by_frame.mean(), {"pure_noise": pure.mean() if len(pure) else pure.sum()}

    def by_frame(
        self, network: Outpainter, batch: tuple[Tensor, Tensor, Tensor], tau: Tensor,
        draw: torch.Generator,
    ) -> Tensor:  # fmt: skip
        """Squared error [b] where nothing is known, at levels tau [b]."""
        clean = batch[0]
        start, known = self.begun(network, *batch[1:])
        spread = NOISE * torch.rand(len(start), 1, 1, generator=draw)
        start = start + spread * torch.randn(start.shape, generator=draw)
        noisy = noised(clean, torch.randn(clean.shape, generator=draw), tau)
        error = (network(noisy, tau, start, known) - clean).square() * self.weights
        hidden = 1 - known
        return (error.mean(dim=-1) * hidden).sum(dim=1) / hidden.sum(dim=1).clamp_min(1)

    def begun(self, network: Outpainter, pictures: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            return network.begun(self.tokenizer, pictures, known)

    @torch.no_grad()
    def validate(self, network: Outpainter) -> dict[str, float]:
        """The loss on held-out frames, at all levels and from noise."""
        draw = torch.Generator().manual_seed(0)
        even = torch.linspace(0, 1, JUDGED)
        figures = {"loss": self.by_frame(network, self.heldout, even, draw)}
        figures["pure_noise"] = self.by_frame(network, self.heldout, torch.zeros(JUDGED), draw)
        return {name: float(figure.mean()) for name, figure in figures.items()}

    @torch.no_grad()
    def draw(self, network: Outpainter, path: Path) -> None:
        """Truth, what is shown of it, and two dreams of the rest."""
        some = torch.linspace(0, JUDGED - 1, DRAWN).long()
        _, pictures, known = (part[some] for part in self.heldout)
        start, share = self.begun(network, pictures, known)
        rows = [self.truth[some], to_uint8(pictures)]
        for seed in range(2):
            noise = torch.randn(start.shape, generator=torch.Generator().manual_seed(seed))
            found = sample_euler(denoiser(network, start, share), noise, even_times(LOOKS), None)
            dreamed = self.tokenizer.pictures(self.tokenizer.clamp(found)).clamp(0, 1)
            rows.append(to_uint8(pictures + (1 - known) * (dreamed - pictures)))
        save_sheet([row.numpy() for row in rows], path)


def denoiser(network: Outpainter, start: Tensor, known: Tensor):
    """`network` as a sampler asks for it."""

    def denoise(z: Tensor, tau: float, jump: float) -> Tensor:
        return network(z, z.new_full((len(z),), tau), start, known)

    return denoise


def partly_shown(frame: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A frame uint8 [H W 3] with a side hidden behind its edge gone on, and bool [H W]: what of it
    is known."""
    turns = random.integers(2) * 2 + (random.random() >= ACROSS)  # 0 and 2: left and right
    turned = np.rot90(frame, turns)
    height, width = turned.shape[:2]
    begin = int(width * random.uniform(LEAST, MOST))
    known = np.zeros((height, width), bool)
    known[:, :begin] = True
    if random.random() < AGAIN:
        rows, columns = (np.sort(random.integers(0, n, size=2)) for n in (height, width - begin))
        rows = (0, rows[1]) if random.random() < 0.5 else (rows[0], height)
        known[rows[0] : rows[1], begin + columns[0] : begin + columns[1]] = True
    shown = np.where(known[..., None], turned, turned[:, begin - 1 : begin])
    return np.rot90(shown, -turns).copy(), np.rot90(known, -turns).copy()

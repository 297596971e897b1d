"""Outpainting: a frame of which one side is hidden is completed, by rectified flow.

All of what is hidden has to be invented, where a world's next frame invents a narrow strip.
Shapes: b frames, n latents of a frame, c channels, H W pixels.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from worldmodel.data.clips import FrameStore, other_moments
from worldmodel.diffusion.path import noised
from worldmodel.model.figure import filled
from worldmodel.model.outlook import Outlook
from worldmodel.model.outpainter import Outpainter
from worldmodel.model.tokenizer import Tokenizer, to_float, to_uint8
from worldmodel.train.config import TrainConfig
from worldmodel.train.objectives.blurring import blurred, drawn_blurs
from worldmodel.train.pictures import save_sheet
from worldmodel.train.sensitivity import channel_weights

JUDGED = 256  # held-out frames in the figures
DRAWN = 12  # held-out frames in the pictures
ACROSS = 0.7  # share of the frames whose left or right is hidden; of the others top or bottom
LEAST, MOST = 0.1, 0.95  # share of a frame's width or height that is shown
AGAIN = 0.3  # share of the frames that show something of the hidden side, seen before
SOFT = 0.5  # share of the frames whose shown part is blurred, as dreams are
NOISE = 0.1  # on the shown latents, in deviations, at most
PURE = 0.2  # share of the frames that are all noise


class Outpainting:
    """Frames and their latents; the network predicts clean latents where nothing is known."""

    def __init__(
        self, store: FrameStore, latents: np.ndarray | None, heldout: FrameStore,
        heldout_latents: np.ndarray | None, config: TrainConfig, tokenizer: Tokenizer,
        stays: Tensor | None = None, *, opening: bool = False,
    ) -> None:  # fmt: skip
        """Of what `stays` [1 1 H W] on the screen frames show what lies behind it instead; then
        their latents, [f n c] of all frames, are not asked for. With `opening`, another moment of
        its episode is shown beside each frame."""
        self.opening = opening
        self.stays = None if stays is None or not stays.any() else stays
        self.store, self.latents, self.tokenizer = store, latents, tokenizer
        self.seed, self.count, self.frames_per_step = config.seed, config.batch, config.batch
        some = np.linspace(0, len(store) - 1, 32, dtype=int)
        self.weights = channel_weights(tokenizer, self._clean(self.frames(some), latents, some))
        rows = np.linspace(0, len(heldout) - 1, JUDGED, dtype=int)
        self.heldout = self._shown(heldout, heldout_latents, rows, np.random.default_rng(0))
        self.truth = torch.as_tensor(heldout.frames[rows])

    def batch(self, step: int) -> tuple[Tensor, ...]:
        """Clean latents [b n c], shown pictures [b 3 H W], what is known of them [b 1 H W], and
        openings."""
        random = np.random.default_rng([self.seed, step])
        rows = np.sort(random.integers(len(self.store), size=self.count))
        return self._shown(self.store, self.latents, rows, random)

    def frames(self, rows: np.ndarray, store: FrameStore | None = None) -> np.ndarray:
        """Frames uint8 [b H W 3] of `rows`, without what stays on the screen."""
        frames = np.stack([(store or self.store).frames[row] for row in rows])
        if self.stays is None:
            return frames
        return to_uint8(filled(to_float(torch.as_tensor(frames)), self.stays)).numpy()

    def openings(self, store: FrameStore, rows: np.ndarray, random: np.random.Generator) -> Tensor:
        """Other moments [b 3 H W] of the episodes of `rows`, [b 0] if they are not to be shown."""
        if not self.opening:
            return torch.zeros(len(rows), 0)
        others = self.frames(other_moments(store.episodes, rows, random), store)
        return to_float(torch.as_tensor(others))

    @torch.no_grad()
    def _clean(self, frames: np.ndarray, latents: np.ndarray | None, rows: np.ndarray) -> Tensor:
        """Latents [b n c] of frames as they are learned, which are those of `rows`."""
        if self.stays is None:
            return torch.as_tensor(latents[rows]).float()
        return self.tokenizer.encode(torch.as_tensor(frames))

    def _shown(
        self,
        store: FrameStore,
        latents: np.ndarray | None,
        rows: np.ndarray,
        random: np.random.Generator,
    ) -> tuple[Tensor, ...]:
        frames = self.frames(rows, store)
        clean = self._clean(frames, latents, rows)
        pictures, known = shown(frames, [drawn_view(frame, random) for frame in frames])
        pictures = blurred(pictures, drawn_blurs(len(pictures), SOFT, random))
        return clean, pictures, known, self.openings(store, rows, random)

    def loss(
        self, network: Outpainter, batch: tuple[Tensor, ...], step: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        draw = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        tau = (torch.rand(len(batch[0]), generator=draw) * (1 + PURE) - PURE).clamp_min(0)
        by_frame = self.by_frame(network, batch, tau, draw)
        pure = by_frame.detach()[tau == 0]
        return by_frame.mean(), {"pure_noise": pure.mean() if len(pure) else pure.sum()}

    def by_frame(
        self, network: Outpainter, batch: tuple[Tensor, ...], tau: Tensor,
        draw: torch.Generator,
    ) -> Tensor:  # fmt: skip
        """Squared error [b] where nothing is known, at levels tau [b]."""
        clean, pictures, shares, openings = batch
        start, known = self.begun(network, pictures, shares)
        spread = NOISE * torch.rand(len(start), 1, 1, generator=draw)
        start = start + spread * torch.randn(start.shape, generator=draw)
        noisy = noised(clean, torch.randn(clean.shape, generator=draw), tau)
        opened = network.opened(self.tokenizer, openings)
        error = (network(noisy, tau, start, known, *opened) - clean).square() * self.weights
        hidden = 1 - known
        return (error.mean(dim=-1) * hidden).sum(dim=1) / hidden.sum(dim=1).clamp_min(1)

    def begun(self, network: Outpainter, pictures: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            return network.begun(self.tokenizer, pictures, known)

    @torch.no_grad()
    def completed(
        self, network: Outpainter, pictures: Tensor, known: Tensor, openings: Tensor,
        draw: torch.Generator,
    ) -> Tensor:  # fmt: skip
        """Shown pictures [b 3 H W] with what is not known of them [b 1 H W] dreamed as in play."""
        height, width = network.config.grid
        size = len(pictures), height * width, network.config.latent_channels
        outlook, noise = Outlook(network, self.tokenizer, (0, 0)), torch.randn(size, generator=draw)
        return outlook.paint(torch.cat([pictures, known], dim=1), noise, openings)[:, :3]

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
        _, *given = (part[some] for part in self.heldout)
        rows = [self.truth[some], to_uint8(given[0])]
        for seed in range(2):
            draw = torch.Generator().manual_seed(seed)
            rows.append(to_uint8(self.completed(network, *given, draw)))
        save_sheet([row.numpy() for row in rows], path)


def shown(frames: np.ndarray, views: list["View"]) -> tuple[Tensor, Tensor]:
    """Frames uint8 [b H W 3] as they are shown [b 3 H W], and what is known of them [b 1 H W]."""
    each = list(zip(frames, views, strict=True))
    pictures = to_float(torch.as_tensor(np.stack([view.shown(frame) for frame, view in each])))
    known = torch.as_tensor(np.stack([view.known(frame) for frame, view in each]))
    return pictures, known.float()[:, None]


@dataclass(frozen=True)
class View:
    """What is shown of a frame: all but one side, and of that something that was seen before."""

    turns: int  # quarter turns after which the hidden side is the right one
    begin: int  # the first hidden column, then
    again: tuple[slice, slice] | None = None  # rows and columns that are shown all the same

    def known(self, frame: np.ndarray) -> np.ndarray:
        """bool [H W]: what is known of a frame [H W 3]."""
        known = np.zeros_like(np.rot90(frame[..., 0], self.turns), dtype=bool)
        known[:, : self.begin] = True
        if self.again:
            known[self.again] = True
        return np.rot90(known, -self.turns).copy()

    def shown(self, frame: np.ndarray) -> np.ndarray:
        """A frame [H W 3] whose hidden side is its edge gone on."""
        turned, known = (np.rot90(x, self.turns) for x in (frame, self.known(frame)))
        shown = np.where(known[..., None], turned, turned[:, self.begin - 1 : self.begin])
        return np.rot90(shown, -self.turns).copy()


def drawn_view(frame: np.ndarray, random: np.random.Generator, most: float = MOST) -> View:
    """What to show of a frame [H W 3]."""
    turns = int(random.integers(2) * 2 + (random.random() >= ACROSS))  # 0 and 2: left and right
    height, width = frame.shape[:2] if turns % 2 == 0 else frame.shape[1::-1]
    begin = int(width * random.uniform(LEAST, most))
    if random.random() >= AGAIN:
        return View(turns, begin)
    rows, columns = (np.sort(random.integers(0, n, size=2)) for n in (height, width - begin))
    rows = (0, rows[1]) if random.random() < 0.5 else (rows[0], height)
    return View(turns, begin, (slice(*rows), slice(*(begin + columns))))

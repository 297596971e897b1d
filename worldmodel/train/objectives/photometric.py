"""Motion by photometry: the last picture, moved along the flow, should look like the next one.

A network with momentum goes on from its own flow and from the picture that it has moved itself, for
a few frames, as play will have it; the first flow may be a measured one.
Shapes: b clips, n latents of a frame, c channels, r controls remembered, m controls, H W pixels.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from worldmodel.data.clips import ClipSampler, FrameStore, gather, known
from worldmodel.errors import UserError
from worldmodel.model.motion import FELT, Motion, MotionConfig, flow_size, gist
from worldmodel.model.optical_flow import measured, roughly_measured
from worldmodel.model.tokenizer import Tokenizer, to_float, to_uint8
from worldmodel.model.warp import moved, sampled, sources
from worldmodel.train.config import TrainConfig
from worldmodel.train.objectives.blurring import BLURS, blurred, drawn_blurs
from worldmodel.train.pictures import save_sheet

SCALES = (1, 4, 8)  # pixels averaged: coarse ones reach further than a texture's period
SMALL = 2  # pixels to a side of the least thing that stays
JUDGED = 256
NOISE = 0.1  # on the latents, in deviations: play shows dreamed latents, not encoded ones
ROUNDS = 3  # frames that a network with momentum is moved in a row
BENT = 1.0  # weight of the flow's second differences: where nothing is to be matched it is smooth


@dataclass(frozen=True, kw_only=True)
class PhotometricConfig:
    """What is weighed beside the error of the moved picture."""

    stays: float = 0.0  # what a picture loses where it had better not been moved
    rigid: float = 0.0  # differences of neighbouring flow vectors
    guided: float = 0.0  # how far the flow is in the mean from the measured one
    rounds: int = ROUNDS  # frames that a network with momentum is moved in a row
    sudden: float = 0.0  # share of the pairs drawn by how suddenly their motion changes
    tries: int = 1  # so many pairs are drawn for each of the sudden ones, and the worst learned
    soft: float = 0.0  # share of the pairs that are seen blurred, as old dreams are

    def __post_init__(self) -> None:
        for name in ("rounds", "tries"):
            if vars(self)[name] < 1:
                raise UserError(f"{name} must be at least 1, found {vars(self)[name]}")
        for name in ("stays", "rigid", "guided"):
            if not 0 <= vars(self)[name] < float("inf"):
                raise UserError(f"{name} must be a weight of 0 or more, found {vars(self)[name]}")
        for name in ("sudden", "soft"):
            if not 0 <= vars(self)[name] <= 1:
                raise UserError(f"{name} must be a share from 0 to 1, found {vars(self)[name]}")


class Photometric:
    """Pairs of frames with the keys that led from one to the other, which must be known.

    A small thing that stays while the world passes by behind it counts little in the mean, and is
    carried off with it unless `weighed.stays` is above 0. Stripes that are pushed along themselves
    look the same, and are left behind by what they belong to unless `weighed.rigid` is above 0.
    Running into a wall is seen seldom, and walls are run through unless `weighed.sudden` is above
    0; old dreams are blurred, and walls are not seen in them unless `weighed.soft` is above 0.
    Of the keys before, those that are unknown (NaN) count as not held.
    """

    def __init__(
        self, store: FrameStore, latents: np.ndarray, heldout: FrameStore,
        heldout_latents: np.ndarray, config: TrainConfig, tokenizer: Tokenizer,
        motion: MotionConfig, weighed: PhotometricConfig = PhotometricConfig(),
    ) -> None:  # fmt: skip
        self.store, self.latents, self.history = store, latents, motion.history
        self.weighed, self.size = weighed, flow_size(motion)
        self.seed, self.frames_per_step = config.seed, config.batch
        self.sudden_per_step = round(weighed.sudden * config.batch)
        self.tokenizer, self.momentum = tokenizer, motion.momentum
        self.measured = motion.measured
        self.rounds, self.seen = (weighed.rounds, FELT) if motion.momentum else (1, 2)
        self.held = motion.history + self.seen - 3  # controls that the first flow is told
        self.clip = max(self.held + 1, self.seen) + self.rounds
        self.sampler = ClipSampler(
            store.episodes, store.motion, length=self.clip, seed=config.seed, moving=0.5,
            usable=known(store), needed=self.rounds,
        )  # fmt: skip
        self.sudden = ClipSampler(
            store.episodes, suddenness(store.motion), length=self.clip, seed=config.seed,
            moving=1.0, usable=known(store), needed=self.rounds, judged=self.rounds,
        )  # fmt: skip
        starts = ClipSampler(
            heldout.episodes, heldout.motion, length=self.clip, seed=1, moving=1.0,
            usable=known(heldout), needed=self.rounds,
        ).draw(0, JUDGED)  # fmt: skip
        self.heldout = self._clips(
            heldout, heldout_latents, starts, torch.zeros(JUDGED, len(BLURS))
        )

    def batch(self, step: int) -> tuple[Tensor, ...]:
        """Pictures [b 1+rounds 3 H W], latents [b seen n c] up to the first of them, controls
        [b r+seen-3+rounds m] up to the last and how much of each blur [b k] is seen; and, where it
        is measured, the flow [b 2 h' w'] that led to the first picture. Sudden ones are last.
        """
        sudden, even = self.weighed.tries * self.sudden_per_step, self.frames_per_step
        even -= self.sudden_per_step
        drawn = self.sampler.draw(step, even), self.sudden.draw(step, sudden)
        random = np.random.default_rng([self.seed, step])
        blurs = drawn_blurs(even + sudden, self.weighed.soft, random)
        starts = np.concatenate([np.sort(part) for part in drawn])
        return self._clips(self.store, self.latents, starts, blurs)

    def _clips(
        self, store: FrameStore, latents: np.ndarray, starts: np.ndarray, blurs: Tensor
    ) -> tuple[Tensor, ...]:
        first = starts + self.clip - 1 - self.rounds
        frames = torch.as_tensor(gather(store.frames, first - 1, 2 + self.rounds))
        seen = gather(latents, first - self.seen + 1, self.seen)
        keys = gather(store.controls, first - self.held + 1, self.held + self.rounds)
        pictures = to_float(frames.flatten(0, 1)).unflatten(0, frames.shape[:2])
        seen, again = torch.as_tensor(seen).float(), blurs.any(dim=1)
        for i in (0, 1) if again.any() else ():
            seen[again, i - 2] = self._found(pictures[again, i], blurs[again])
        clips = pictures[:, 1:], seen, torch.as_tensor(keys).float(), blurs
        if not self.measured:
            return clips
        return *clips, self._flow(pictures[:, 0], pictures[:, 1])

    @torch.no_grad()
    def worst(self, network: Motion, batch: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """A batch without those of the sudden pairs that the network knows best (cf. online hard
        example mining, Shrivastava et al., arXiv 1604.03540)."""
        if self.weighed.tries == 1 or not self.sudden_per_step:
            return batch
        even = self.frames_per_step - self.sudden_per_step
        pictures, seen, keys, _, *led = (part[even:] for part in batch)
        if self.momentum and not led:
            led = [network.flow_of(seen, keys[:, : -self.rounds])]
        flow = network(seen[:, -1], seen[:, -2], self._recent(keys, 0), *led)
        true = self._flow(pictures[:, 0], pictures[:, 1])
        off = gist(flow - true).abs().mean(dim=(1, 2, 3))
        chosen = even + off.topk(self.sudden_per_step).indices
        return tuple(torch.cat([part[:even], part[chosen]]) for part in batch)

    def _flow(self, before: Tensor, after: Tensor) -> Tensor:
        """The flow [b 2 h' w'] between pictures [b 3 H W], measured."""
        return measured(before, after, self.size)

    def _recent(self, keys: Tensor, i: int) -> Tensor:
        """The controls [b r m] that are told in round `i`."""
        return keys[:, i + self.seen - 2 :][:, : self.history].flip(1)

    @torch.no_grad()
    def _found(self, pictures: Tensor, blurs: Tensor) -> Tensor:
        """Latents [b n c] of pictures [b 3 H W] seen with so much of each blur [b k]."""
        soft = blurred(pictures, blurs)
        return self.tokenizer.standardise(self.tokenizer.bounded(soft))

    def moved_on(
        self, network: Motion, pictures: Tensor, seen: Tensor, keys: Tensor, blurs: Tensor,
        *before: Tensor,
    ) -> Iterator[tuple[Tensor, Tensor, Tensor]]:  # fmt: skip
        """For each round the moved picture [b 3 H W], the share [b 1 H W] of each of its places
        that was in the first one, and the flow. Rounds have no gradients from those after them.
        """
        if self.momentum and not before:
            with torch.no_grad():
                before = [network.flow_of(seen, keys[:, : -self.rounds])]
        picture, latent, earlier = pictures[:, 0], seen[:, -1], seen[:, -2]
        true = torch.ones_like(picture[:, :1])
        for i in range(self.rounds):
            flow = network(latent, earlier, self._recent(keys, i), *before)
            picture = moved(picture, flow)
            yield picture, true, flow
            if i + 1 < self.rounds:
                picture, before = picture.detach(), [flow.detach()]
                true = still_true(true, *before)
                latent, earlier = self._found(picture, blurs), latent

    def loss(
        self, network: Motion, batch: tuple[Tensor, ...], step: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        pictures, seen, keys, blurs, *led = self.worst(network, batch)
        draw = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        seen = seen + NOISE * torch.randn(seen.shape, generator=draw)
        match, bent, off, torn, uneven, led_off, before = *([] for _ in range(6)), pictures[:, 0]
        rounds = self.moved_on(network, pictures, seen, keys, blurs, *led)
        for i, (picture, true, flow) in enumerate(rounds):
            error, unmoved = ((x - pictures[:, i + 1]) * true for x in (picture, before))
            match.append(sum(F.avg_pool2d(error, scale).abs().mean() for scale in SCALES))
            bent.append(sum(flow.diff(n=2, dim=dim).abs().mean() for dim in (-2, -1)))
            if self.weighed.guided:
                way = roughly_measured(pictures[:, i], pictures[:, i + 1], self.size)
                led_off.append(gist(flow - way).abs().mean())
            uneven.append(sum(flow.diff(dim=dim).abs().mean() for dim in (-2, -1)))
            off.append(error.detach().abs().mean())
            torn.append(worse(error, unmoved))
            before = picture.detach()
        match, bent, off, torn, uneven, led_off = (
            sum(each) / self.rounds for each in (match, bent, off, torn, uneven, led_off)
        )
        values = {"l1": off, "bent": bent.detach(), "torn": torn.detach()}
        loss, weighed = match + BENT * bent, self.weighed
        return (
            loss + weighed.stays * torn + weighed.rigid * uneven + weighed.guided * led_off,
            values,
        )

    @torch.no_grad()
    def validate(self, network: Motion) -> dict[str, float]:
        """PSNR of the moved picture, also over repeating, and what of it another pair's keys lose.

        All of the mean square error of all pairs; the last as in Genie (arXiv 2402.15391). With
        momentum also after the last round, where each place was in the picture all along.
        """
        pictures, seen, keys, *rest = self.heldout
        rounds = list(self.moved_on(network, pictures, seen, keys, *rest))
        misled, *_ = next(self.moved_on(network, pictures, seen, keys.roll(1, 0), *rest))
        guess, lost, repeated = (
            mean_psnr(picture, pictures[:, 1]) for picture in (rounds[0][0], misled, pictures[:, 0])
        )
        figures = {"psnr": guess, "over_repeat": guess - repeated, "psnr_lost": guess - lost}
        if self.rounds > 1:
            moved, true, flow = rounds[-1]
            true, last = still_true(true, flow), pictures[:, -1]
            gain = mean_psnr(moved * true, last * true)
            gain -= mean_psnr(pictures[:, 0] * true, last * true)
            figures[f"over_repeat_{self.rounds}"] = gain
        return figures

    @torch.no_grad()
    def draw(self, network: Motion, path: Path) -> None:
        """First picture, next pictures, first picture moved again and again."""
        pictures, *given = (part[:10] for part in self.heldout)
        rounds = [picture for picture, _, _ in self.moved_on(network, pictures, *given)]
        sheet = [*pictures.movedim(1, 0), *rounds]
        save_sheet([to_uint8(row).numpy() for row in sheet], path)


def suddenness(motion: np.ndarray) -> np.ndarray:
    """How suddenly motion [n] changes: its change, in dark rooms nearly as in light ones."""
    change = np.abs(np.diff(motion, prepend=motion[:1]))
    return change / np.sqrt(1 + motion + np.roll(motion, 1))


def worse(error: Tensor, unmoved: Tensor) -> Tensor:
    """How much larger errors [b 3 H W] are than those of the picture that was not moved, where they
    are; on the mean of SMALL pixels to a side."""
    found, before = (F.avg_pool2d(x, SMALL).abs() for x in (error, unmoved))
    return F.relu(found - before).mean()


def still_true(true: Tensor, flow: Tensor) -> Tensor:
    """Which places [b 1 H W] of a moved picture were in the one before and were true there."""
    at = sources(flow, tuple(true.shape[-2:]))
    inside = (at.abs() <= 1).all(dim=1, keepdim=True)
    return sampled(true, at) * inside


def mean_psnr(a: Tensor, b: Tensor) -> float:
    """PSNR in dB of the mean square error over all pictures [b 3 H W] in 0..1.

    Not the mean of their PSNRs: pairs in which nothing moved would outweigh all others.
    """
    return float(-10 * torch.log10(F.mse_loss(a, b)))

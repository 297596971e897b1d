"""Carrier: motion and tokenizer together, frame by frame with a cache or at once for clips.

Shapes: b batch, t frames, k chosen frames, n latents of a frame, c latent channels, r controls
remembered, m controls, h' w' flow, H W pixels.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from worldmodel.model import offscreen, scrolling
from worldmodel.model.cache import FrameCache, Memory
from worldmodel.model.carried import Carried, either
from worldmodel.model.figure import filled
from worldmodel.model.motion import FELT, Motion
from worldmodel.model.outlook import Outlook
from worldmodel.model.outpainter import Outpainter
from worldmodel.model.scrolling import Scrolled
from worldmodel.model.tokenizer import Tokenizer, to_float
from worldmodel.model.warp import sources


class Carrier:
    """Motion and tokenizer together: what a world with motion asks for, frame by frame."""

    def __init__(
        self, motion: Motion, tokenizer: Tokenizer, outpainter: Outpainter | None = None
    ) -> None:
        self.motion, self.tokenizer = motion, tokenizer
        margin = motion.config.margin
        self.outlook = Outlook(outpainter, tokenizer, margin) if outpainter and margin else None

    def carry(
        self, cache: FrameCache, controls: Tensor, noise: Tensor | None = None, rest: float = 0.0
    ) -> Carried:
        """The last frame moved as `controls` [b m] say.

        Before the first frame there is nothing to move: zeros, at the level of pure noise. With
        `noise` [b n c] an outpainter, where there is one, dreams what is about to come into view.
        Where it moves by less than `rest` pixels, and of all controls that motion remembers none
        is held, it stays exactly where it is.
        """
        memory, history = cache.memory, self.motion.config.history
        if memory.picture.ndim < 4:
            last, tau = memory.latent[:, None], memory.tau[:, None]
            never, flow = torch.full_like(tau, torch.inf), last.new_zeros(len(last), 1, 0)
            if self.motion.config.momentum:
                flow = self.motion.no_flow(len(last))[:, None]
            known, nothing = torch.zeros_like(last[..., 0]), self.nothing(last[:, 0])[:, None]
            unseen, lag = last.new_zeros(len(last), 1, 0), last.new_zeros(len(last), 1, 2)
            state = self.nowhere(last[:, 0])[:, None]
            return Carried(last, tau, known, never, last, flow, unseen, nothing, lag, state)
        recent = torch.cat([controls[:, None], memory.recent[:, : history - 1]], dim=1)
        latents, known, moves, flow, *moved = self.onward(memory, recent, noise)
        still = moves < rest
        if still.any():  # seldom, and asked first: each question takes its time
            still = still & (recent == 0).flatten(1).all(dim=1)
        if still.any():
            kept = memory.offscreen
            kept = self.nothing(memory.picture) if kept.ndim < 4 else kept
            stays = memory.latent, torch.ones_like(known), moves * 0, memory.picture, kept
            stays = *stays, memory.lag, self.stopped(memory.state)
            latents, known, moves, *moved = either(still, stays, (latents, known, moves, *moved))
        parts = latents, torch.ones_like(memory.tau), known, moves, memory.latent, flow
        return Carried(*(part[:, None] for part in (*parts, *moved)))

    def onward(self, memory: Memory, recent: Tensor, noise: Tensor | None) -> tuple[Tensor, ...]:
        """The last frame moved as the `recent` controls [b r m] say, the newest first: of `Carried`
        all but the last frame and its noise level, each [b ...]."""
        around = memory.offscreen
        if self.outlook and noise is not None and self.outlook.wanted(around):
            opening = self.without_figure(memory.opening)
            dreamed = self.outlook(self.whole(memory.picture, around), noise, opening)
            around = offscreen.beside(dreamed, around, self.motion.config.margin)
        given = self._given(memory.picture, memory.flow, around, memory.lag)
        carried = self.motion.carried(
            self.tokenizer, memory.latent, memory.earlier, memory.picture, recent, *given
        )
        latents, known, moves, flow, moved = carried[:5]
        if not self.motion.config.momentum:
            flow = flow.new_zeros(len(flow), 0)  # not to be remembered
        after = self._after(carried, memory.lag)
        return latents, known, moves, flow, moved, *after, memory.state

    def nowhere(self, like: Tensor) -> Tensor:
        """Where b players stand, `like` [b ...], of whom nothing is known: [b 0], without a map."""
        return like.new_zeros(len(like), 0)

    def stopped(self, state: Tensor) -> Tensor:
        """Where players stand who have not moved since they stood there."""
        return state

    def seen(self, cache: FrameCache, carried: Carried, picture: Tensor) -> Carried:
        """`carried` for a frame that was not dreamed: what led to its `picture` [b 3 H W] is
        measured, if the motion network goes by that, and what was kept of it gives way."""
        before = cache.memory.picture
        carried = carried._replace(offscreen=self.seen_anew(carried.offscreen[:, 0])[:, None])
        if not self.motion.config.measured or before.ndim < 4:
            return carried
        return carried._replace(flow=self.motion.measure(before, picture)[:, None])

    def seen_anew(self, around: Tensor) -> Tensor:
        """What is around a frame [b 4 H' W'] that was not dreamed."""
        contact = self.motion.contact
        if contact is None:
            return around
        return scrolling.seen_anew(around, contact.stays, self.motion.config.margin)

    def without_figure(self, pictures: Tensor) -> Tensor:
        """Pictures [b 3 H W], and in the place of a player who stays there what lies beside him."""
        contact = self.motion.contact
        return pictures if contact is None else filled(pictures, contact.stays)

    def _given(
        self, picture: Tensor, flow: Tensor | None, around: Tensor | None, lag: Tensor
    ) -> list[Tensor]:
        """What `Motion.carried` is given last, for a picture [b 3 H W]; None is nothing yet."""
        given = []
        if self.motion.config.momentum:
            given.append(self.motion.no_flow(len(picture)) if flow is None else flow)
        if self.motion.config.margin:
            given.append(self.nothing(picture) if around is None else around)
        if self.motion.contact is not None:
            given.append(lag)
        return given

    def after(self, found: Scrolled, lag: Tensor) -> tuple[Tensor, Tensor]:
        """What is around the next picture [b 4 H' W'] and its lag [b 2], after one was moved on."""
        whole = self.motion.believed(found.whole, found.flow)
        way = self.motion.middle(found.flow) if found.way is None else found.way
        return offscreen.shifted(whole, way + lag)

    def _after(self, carried: tuple[Tensor, ...], lag: Tensor) -> tuple[Tensor, Tensor]:
        """What `after` returns, of what `Motion.carried` found; [b 0] where nothing is kept."""
        if not self.motion.config.margin:
            return carried[0].new_zeros(len(carried[0]), 0), lag
        way = carried[6] if len(carried) > 6 else self.motion.middle(carried[3])
        return offscreen.shifted(carried[5], way + lag)

    def carry_clip(self, latents: Tensor, controls: Tensor) -> Tensor:
        """What each frame of a clip [b t n c] starts from under controls [b t m]; zeros first."""
        history = self.motion.config.history
        padded = F.pad(controls, (0, 0, history - 1, 0))
        starts = [torch.zeros_like(latents[:, 0])]
        flow, around, last = None, None, None
        lag = latents.new_zeros(len(latents), 2)
        for i in range(1, latents.shape[1]):
            recent = padded[:, i : i + history].flip(1)
            before, earlier = latents[:, i - 1], latents[:, max(i - 2, 0)]
            picture = self.picture(before)
            if self.motion.config.measured and last is not None:
                flow = self.motion.measure(last, picture)
            given = self._given(picture, flow, around, lag)
            carried = self.motion.carried(self.tokenizer, before, earlier, picture, recent, *given)
            (around, lag), flow, last = self._after(carried, lag), carried[3], picture
            around = self.seen_anew(around)
            starts.append(carried[0])
        return torch.stack(starts, dim=1)

    def carry_at(self, latents: Tensor, controls: Tensor, at: Tensor) -> tuple[Tensor, ...]:
        """What `Motion.carried` returns for the frames `at` [k] of clips [b t n c] under controls
        [b t m], as [b*k ...]. Before a clip its first frame stood still and no key was held; what
        is off-screen is not known.
        """
        before, earlier, recent, flow = self._told(latents, controls, at)
        picture = self.picture(before)
        given = self._given(picture, flow, None, picture.new_zeros(len(picture), 2))
        return self.motion.carried(self.tokenizer, before, earlier, picture, recent, *given)[:5]

    def known_at(
        self, latents: Tensor, controls: Tensor, at: Tensor, *, bends: bool = False
    ) -> Tensor:
        """The second of what `carry_at` returns, [b*k n], without moving a picture, and so without
        a contact; what `bends` counts, if told so.
        """
        flow, size = self.motion(*self._told(latents, controls, at)), self.tokenizer.config
        return self.motion.known(sources(flow, (size.height, size.width)), bends=bends)

    def _told(self, latents: Tensor, controls: Tensor, at: Tensor) -> tuple[Tensor | None, ...]:
        """What motion is told before the frames `at`, in its own order."""
        before, earlier = (rows(latents, at - back) for back in (1, 2))
        recent = windows(controls, at, self.motion.config.history).flip(1)
        return before, earlier, recent, self.flow_at(latents, controls, at - 1)

    def flow_at(self, latents: Tensor, controls: Tensor, at: Tensor) -> Tensor | None:
        """The flows [b*k 2 h' w'] that led to the frames `at` [k] of clips [b t n c] under controls
        [b t m]; None without momentum.
        """
        if not self.motion.config.momentum:
            return None
        if self.motion.config.measured:
            pictures = (self.picture(rows(latents, at - back)) for back in (1, 0))
            return self.motion.measure(*pictures)
        seen = torch.stack([rows(latents, at - back) for back in reversed(range(FELT))], dim=1)
        return self.motion.flow_of(
            seen, windows(controls, at, self.motion.config.history + FELT - 3)
        )

    def real(self, frames: Tensor) -> Tensor | None:
        """Real frames uint8 [... H W 3] as they are moved on [... 3 H W]; None where that is done
        with their latents decoded, as it is without detail.
        """
        if not self.motion.config.detail:
            return None
        flat = to_float(frames.to(self.motion.places.device).flatten(0, -4))
        return flat.unflatten(0, frames.shape[:-3])

    def picture(self, latent: Tensor, carried: Carried | None = None) -> Tensor:
        """The frame [b 3 H W] of latents [b n c], as it is shown and the next one moved from it.

        With `carried`, what it started from, it keeps the detail of the one before; a frame that is
        the last one once more is what `carry` has left where it was, if it has.
        """
        if not self.motion.config.detail or carried is None or carried.picture.ndim < 5:
            return self.tokenizer.pictures(latent).float().clamp(0, 1)
        moved, known = carried.picture[:, 0], carried.known[:, 0]
        still = carried.moves[:, 0] == 0
        if still.any():
            still = still & (latent == carried.last[:, 0]).flatten(1).all(dim=1)
        if still.all():
            return moved
        found = self.motion.picture(self.tokenizer, latent, moved, known)
        return torch.where(still.view(-1, 1, 1, 1), moved, found) if still.any() else found

    def nothing(self, like: Tensor) -> Tensor:
        """What is off-screen [b 4 H' W'] for b players, `like` [b ...], who have seen nothing yet;
        [b 0] where that is not kept."""
        margin, size = self.motion.config.margin, self.tokenizer.config
        if margin is None:
            return like.new_zeros(len(like), 0)
        return offscreen.nothing(like, (size.height, size.width), margin)

    def whole(self, picture: Tensor, whole: Tensor | None) -> Tensor:
        """What is moved on: the last picture [b 3 H W], in the middle of the `whole` that it was
        dreamed in where one is kept."""
        margin = self.motion.config.margin
        if margin is None:
            return picture
        return offscreen.around(picture, self.nothing(picture) if whole is None else whole, margin)


def picture_of(
    tokenizer: Tokenizer, carrier: Carrier | None, latent: Tensor, carried: Carried | None
) -> Tensor:
    """Latents [b n c] as the frame [b 3 H W] that is shown, in 0..1; without motion too."""
    if carrier:
        return carrier.picture(latent, carried)
    return tokenizer.pictures(latent).float().clamp(0, 1)


def rows(clips: Tensor, at: Tensor) -> Tensor:
    """Frames `at` [k] of clips [b t ...] as [b*k ...]; before the first is the first."""
    return clips[:, at.clamp_min(0)].flatten(0, 1)


def windows(controls: Tensor, at: Tensor, length: int) -> Tensor:
    """The last `length` controls at frames `at` [k] of clips [b t m], oldest first, as
    [b*k length m]; zeros before a clip.
    """
    padded = F.pad(controls, (0, 0, length - 1, 0))
    return padded[:, at[:, None] + torch.arange(length)].flatten(0, 1)

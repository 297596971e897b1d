"""Motion: where the keys will carry what is in the picture, as a flow field.

A small network sees the last two latents and the last few controls and says for every place of the
next picture where in the last one it comes from (cf. Finn et al., arXiv 1605.07157). The picture
moved along this flow and encoded again is the carried latent: what the world's transformer starts
from. Controls tell where the player wants to go, the change between the latents whether he gets
there: someone who runs into a wall holds the same keys as someone who runs. A wall counts where it
is in the way: a `placed` code tells where things are, and a `contact` takes back what goes too far
all the same. With `momentum` the network is also told its own last flow: someone who has jumped
flies on, however blurred the dream. Between real frames that can be `measured` instead
(worldmodel.model.optical_flow).
Shapes: b batch, n latents of a frame, c latent channels, r controls remembered, m controls,
h w latent grid, H W pixels.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from worldmodel.errors import UserError
from worldmodel.model import figure, offscreen
from worldmodel.model.contact import Contact, Window
from worldmodel.model.detail import sampled_sharply, with_detail
from worldmodel.model.layers import ConvBlock
from worldmodel.model.offscreen import Margin
from worldmodel.model.optical_flow import measured
from worldmodel.model.scrolling import Scrolled, scrolled
from worldmodel.model.tokenizer import PATCH, Tokenizer
from worldmodel.model.warp import bent, centres, inside, sampled, shrunk, sources

FINER = 2  # flow vectors to a side of one latent
REACH = 0.1  # of the picture's half width: what one unit of the last layer moves
FELT = 4  # latents in a row from which the flow of the last one is told
GIST = (3, 4)  # places in which a flow is summed up, to go on as it was


@dataclass(frozen=True, kw_only=True)
class MotionConfig:
    """Sizes of the motion network; `history` controls, the newest first, tell speed and turn.

    With `detail` what is moved keeps its texture (worldmodel.model.detail). Where the flow bends by
    more than `bend`, it passes by an edge of something that moves otherwise and smears it: such
    places count as not known. 0 trusts every flow. So many rows and columns of latents around the
    picture are kept `offscreen` (worldmodel.model.offscreen), until flows have gone `astray`
    by so many pixels; 0 never forgets.
    """

    grid: tuple[int, int] = (12, 16)
    latent_channels: int = 16
    controls: int = 6
    history: int = 8
    features: int = 64
    blocks: int = 4
    code: int = 64
    placed: bool = False  # the code is told what is where, and not only what there is
    momentum: bool = False
    measured: bool = False  # with momentum: the flow between real frames is measured
    detail: bool = False
    bend: float = 0.0  # pixels a pixel
    offscreen: tuple[int, int] = (0, 0)
    astray: float = 0.0  # pixels by which a flow may depart from a turn until that is forgotten
    contact: Window = (0, 0, 0, 0)  # what of the picture tells that the figure sinks; none

    @property
    def margin(self) -> Margin | None:
        """What is kept off-screen, in pixels; None where nothing is."""
        rows, columns = self.offscreen
        return (rows * PATCH, columns * PATCH) if rows or columns else None

    def __post_init__(self) -> None:
        if (
            min(self.history, self.features, self.blocks, self.code) < 1
            or min(self.bend, self.astray, *self.offscreen) < 0
        ):
            raise UserError(
                "all sizes of the motion network must be at least 1, bend, offscreen and astray "
                f"at least 0, found {self}"
            )
        if self.measured and not self.momentum:
            raise UserError("measured is the flow that momentum goes on from; set momentum too")
        if any(self.contact) and self.margin is None:
            raise UserError(
                "what lies behind the figure of a contact is kept with what is off-screen; "
                "set offscreen too"
            )


class Motion(nn.Module):
    """motion(latent, earlier [b n c], recent [b r m], before) -> flow [b 2 h' w'], half pictures.

    `latent` is the last frame's and `earlier` that of the one before. `before` is the flow that led
    to `latent`, of the same shape, for networks with momentum; None is a flow of nothing.
    """

    places: Tensor  # [1 2 h w], x and y of each latent in -1..1

    def __init__(self, config: MotionConfig) -> None:
        super().__init__()
        self.config = config
        h, w = config.grid
        f, d = config.features, config.code
        self.first = nn.Conv2d(2 * config.latent_channels + 2, f, 3, padding=1)
        told = config.history * config.controls + f
        self.code = nn.Sequential(nn.Linear(told, d), nn.SiLU(), nn.Linear(d, d), nn.SiLU())
        self.blocks = nn.ModuleList(ConvBlock(f, d) for _ in range(config.blocks))
        self.last = nn.Conv2d(f, 2 * FINER**2, 3, padding=1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)
        if config.placed:
            self.counts = nn.Parameter(torch.randn(f, h, w) / (h * w) ** 0.5)  # each place
            self.found = nn.Linear(f, d)
            nn.init.zeros_(self.found.weight)
            nn.init.zeros_(self.found.bias)
        self.everywhere = nn.Parameter(0.01 * torch.randn(d, 2, h, w))  # what the code alone tells
        if config.momentum:
            self.felt = nn.Conv2d(2 * FINER**2, f, 3, padding=1, bias=False)
            self.lasting = nn.Linear(d, 2)  # how much of the flow before goes on
            for zero in (self.felt.weight, self.lasting.weight, self.lasting.bias):
                nn.init.zeros_(zero)
        self.contact = None
        if any(config.contact):
            self.contact = Contact(config.contact, (PATCH * h, PATCH * w))
        self.register_buffer("places", centres(h, w), persistent=False)
        turns = offscreen.turns(flow_size(config), h / w)
        self.register_buffer("turns", turns, persistent=False)

    def forward(
        self, latent: Tensor, earlier: Tensor, recent: Tensor, before: Tensor | None = None
    ) -> Tensor:
        h, w = self.config.grid
        seen, change = (
            rearrange(a, "b (h w) c -> b c h w", h=h, w=w) for a in (latent, latent - earlier)
        )
        x = self.first(torch.cat([seen, change, self.places.expand(len(seen), -1, -1, -1)], dim=1))
        goes_on = self.config.momentum and before is not None
        if goes_on:
            x = x + self.felt(F.pixel_unshuffle(before / REACH, FINER))
        keys = torch.where(recent.isnan(), 0.0, recent).flatten(1)
        code = self.code(torch.cat([keys, F.relu(x).mean(dim=(2, 3))], dim=1))
        for i, block in enumerate(self.blocks):
            if self.config.placed and i == len(self.blocks) // 2:
                code = code + self.found(
                    torch.einsum("b f h w, f h w -> b f", F.relu(x), self.counts)
                )
            x = block(x, code)
        fine = REACH * F.pixel_shuffle(self.last(F.relu(x)), FINER).float()
        coarse = torch.einsum("b d, d v h w -> b v h w", code.float(), self.everywhere)
        flow = fine + F.interpolate(coarse, scale_factor=FINER, mode="bilinear")
        if not goes_on:
            return flow
        onward = F.interpolate(gist(before), flow.shape[-2:], mode="bilinear")
        return flow + self.lasting(code).float()[..., None, None] * onward

    def no_flow(self, count: int) -> Tensor:
        """The flow [count 2 h' w'] of pictures that stand still."""
        h, w = self.config.grid
        return self.places.new_zeros(count, 2, h * FINER, w * FINER)

    def flow_of(self, latents: Tensor, controls: Tensor) -> Tensor | None:
        """The flow that led to the last of some latents [b k n c], oldest first; None without
        momentum. `controls` [b r+k-3 m] are those up to that of the last.
        """
        if not self.config.momentum:
            return None
        flow, history = self.no_flow(len(latents)), self.config.history
        for i in range(2, latents.shape[1]):
            recent = controls[:, i - 2 : i - 2 + history].flip(1)
            flow = self(latents[:, i - 1], latents[:, i - 2], recent, flow)
        return flow

    def measure(self, before: Tensor, after: Tensor) -> Tensor:
        """The flow [b 2 h' w'] between pictures [b 3 H W] that are there."""
        return measured(before, after, flow_size(self.config))

    def carried(
        self, tokenizer: Tokenizer, latent: Tensor, earlier: Tensor, picture: Tensor,
        recent: Tensor, *before: Tensor,
    ) -> tuple[Tensor, ...]:  # fmt: skip
        """A picture [b 3 H W], that of `latent`, moved along the flow: its latents [b n c], the
        share [b n] of each latent's place that is known from the picture, the mean way [b] in
        pixels, the flow [b 2 h' w'] and the moved picture.

        `before` is, with momentum, the last flow, where off-screen memory is kept what is around
        the picture [b 4 H' W'], and with a contact by how many pixels [b 2] that lags behind. What
        of it is still believed comes back as the sixth, and with a contact its way [b 2] as well.
        """
        before, flow = list(before), before[0] if self.config.momentum else None
        flow = self(latent, earlier, recent, flow)
        lag = before.pop() if self.contact is not None else None
        around = before.pop() if self.config.margin else None
        found = self.moved_on(picture.float(), around, lag, flow)
        begun = *self.begun(tokenizer, found.view, found.behind), found.flow, found.view[:, :3]
        if around is None:
            return begun
        begun = *begun, self.believed(found.whole, found.flow)
        return begun if lag is None else (*begun, found.way)

    def moved_on(
        self, picture: Tensor, around: Tensor | None, lag: Tensor | None, flow: Tensor
    ) -> Scrolled:
        """A picture [b 3 H W] moved along a flow [b 2 h' w'], with what is `around` it and its lag
        as `carried` has them; the way of the whole is measured with a contact only."""
        margin = self.config.margin
        if self.contact is not None:
            return scrolled(self.contact, margin, picture, around, lag, flow)
        whole = picture if margin is None else offscreen.around(picture, around, margin)
        return Scrolled(self.move(whole, flow), whole, flow, flow, None)

    def move(self, pictures: Tensor, flow: Tensor) -> Tensor:
        """Pictures [b 3 H W] moved along the flow [b 2 h' w'], or of wholes [b 4 H' W'] what comes
        into view [b 4 H W]: the last channel says what is known."""
        sharply, margin = self.config.detail, self.config.margin
        at = sources(flow, tuple(PATCH * cells for cells in self.config.grid))
        if margin is None:
            return (sampled_sharply if sharply else sampled)(pictures, at)
        return offscreen.moved(pictures, at, margin, sharply=sharply)

    def believed(self, whole: Tensor, flow: Tensor) -> Tensor:
        """What of a whole [b 4 H' W'] can still be believed after a flow [b 2 h' w']."""
        if not self.config.astray:
            return whole
        share = offscreen.astray(self._way(flow), self.turns) / self.config.astray
        return offscreen.doubted(whole, share)

    def middle(self, flow: Tensor) -> Tensor:
        """The way [b 2] of a flow [b 2 h' w'] as a whole, in pixels: the median."""
        return self._way(flow).flatten(2).contiguous().median(-1).values

    def _way(self, flow: Tensor) -> Tensor:
        """A flow [b 2 h' w'] in pixels."""
        height, width = (PATCH * cells for cells in self.config.grid)
        half = torch.tensor([width / 2, height / 2], device=flow.device)
        return flow * half.view(1, 2, 1, 1)

    def begun(
        self, tokenizer: Tokenizer, moved: Tensor, flow: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The first three of what `carried` returns, for pictures that `move` has moved."""
        height, width = (PATCH * cells for cells in self.config.grid)
        moves = self._way(flow).abs().amax(dim=1).mean(dim=(1, 2))
        latents = tokenizer.standardise(tokenizer.bounded(moved[:, :3]))
        if self.contact is not None:  # all goes one way, and nothing bends
            return latents, shrunk(moved[:, 3:], self.config.grid).flatten(1), moves
        at = sources(flow, (height, width))
        there = moved[:, 3:] if self.config.margin else inside(at)
        return latents, self._share(there, at), moves

    def with_offscreen(self, found: Tensor, kept: Tensor, flow: Tensor) -> Tensor:
        """What was `found` [b n c] of the last picture, moved along the flow, and what had been
        `kept` [b n c] of those before it, for places that were not in it."""
        if self.config.margin is None:
            return found
        share = self.seen(flow)[..., None]
        return kept + share * (found - kept)

    def seen(self, flow: Tensor) -> Tensor:
        """The share [b n] of each latent's place that a flow [b 2 h' w'] takes from the picture."""
        size = tuple(PATCH * cells for cells in self.config.grid)
        return F.avg_pool2d(inside(sources(flow, size)), PATCH).flatten(1)

    def known(self, at: Tensor, held: Tensor | None = None, *, bends: bool = False) -> Tensor:
        """The share [b n] of each latent's place that is known, its pixels coming from `at`
        [b 2 H W]: they were in the picture, and were `held` there, if a share of each of its places
        [b 1 h w] is given, and the flow does not bend there, unless it `bends` with leave.
        """
        there = inside(at)
        if held is not None:
            there = there * sampled(held, at)
        return self._share(there, at, bends)

    def _share(self, there: Tensor, at: Tensor, bends: bool = False) -> Tensor:
        """The share [b n] of each latent's place that is `there` [b 1 H W], the flow not bent."""
        if self.config.bend and not bends:
            there = there * (bent(at) <= self.config.bend)
        return F.avg_pool2d(there, PATCH).flatten(1)

    def shown(self, decoded: Tensor, moved: Tensor, known: Tensor) -> Tensor:
        """Decoded pictures [b 3 H W] with the detail of `moved` ones where `known` [b n]."""
        steady, decoded = self.contact is not None, decoded.float().clamp(0, 1)
        found = with_detail(decoded, moved, known, self.config.grid, steady=steady)
        return figure.held(found, decoded, moved, self.contact.stays) if steady else found

    def picture(self, tokenizer: Tokenizer, latent: Tensor, *given: Tensor) -> Tensor:
        """`shown` for latents [b n c]."""
        return self.shown(tokenizer.pictures(latent), *given)


def gist(flow: Tensor) -> Tensor:
    """A flow [b 2 h' w'] summed up, [b 2 3 4]."""
    return F.adaptive_avg_pool2d(flow, GIST)


def flow_size(config: MotionConfig) -> tuple[int, int]:
    """Flow vectors of a picture, in rows and columns."""
    return tuple(FINER * cells for cells in config.grid)

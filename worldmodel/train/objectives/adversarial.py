"""Adversarial finishing: the world learns to end its few steps in frames that look real.

The mean of all frames that may follow has less detail than any of them, and a world of few steps
ends near it. A critic that learns to tell dreamed frames from real ones has no use for the mean
(adversarial diffusion distillation, Sauer et al., arXiv 2311.17042; for a causal world of one pass
a frame, Lin et al., arXiv 2506.09350).
Shapes: b clips, t frames, n latents of a frame, c channels, m controls.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from worldmodel.model.carrier import Carrier
from worldmodel.model.critic import Critic
from worldmodel.model.transformer import WorldTransformer
from worldmodel.train.objectives.critics import paired_loss, paired_opinion
from worldmodel.train.objectives.moment import without_gradients
from worldmodel.train.objectives.played import played
from worldmodel.train.objectives.rectified_flow import RectifiedFlow

TURN = 2  # every second update is adversarial, the others keep the flow


@dataclass(frozen=True, kw_only=True)
class AdversarialConfig:
    """How much the critic has to say."""

    weight: float = 0.3  # of the critic's opinion
    regression: float = 0.1  # of the squared error beside it
    penalty: float = 1.0  # of the critic's slope at real and at dreamed frames (R1 and R2)
    spread: float = 0.1  # of the noise by which the slope is measured


class WithCritic(nn.Module):
    """A world and its critic, so that one loop trains both."""

    def __init__(self, world: WorldTransformer, critic: Critic) -> None:
        super().__init__()
        self.world, self.critic = world, critic


class Adversarial:
    """Alternates the flow objective with frames dreamed as play dreams them, judged by a critic.

    Needs a world with motion. Real and dreamed frames are compared in pairs from the same start.
    """

    def __init__(self, flow: RectifiedFlow, carrier: Carrier, config: AdversarialConfig) -> None:
        self.flow, self.carrier, self.config = flow, carrier, config
        self.frames_per_step = flow.frames_per_step

    def batch(self, step: int) -> tuple[Tensor, ...]:
        return self.flow.batch(step)

    def loss(
        self, network: WithCritic, batch: tuple[Tensor, ...], step: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        if self.flow.update_of(step) % TURN == 0:
            loss, _ = self.flow.loss(network.world, batch, step)
            return loss, {"flow": TURN * loss.detach()}
        clean, controls, carried = batch
        draw = torch.Generator().manual_seed(self.flow.seed * 1_000_003 + step)
        fake, real, start, before = self.dreamed(network.world, clean, controls, carried, draw)
        error = ((fake - real).square() * self.flow.weights).mean()
        shown = real, fake, start, before
        fooled = paired_opinion(network.critic, *shown)
        caught, slope = paired_loss(network.critic, *shown, spread=self.config.spread, draw=draw)
        wanted = self.config.regression * error + self.config.weight * fooled
        loss = wanted + caught + self.config.penalty * slope
        values = {"error": error, "fooled": fooled, "caught": caught, "slope": slope}
        return loss, {name: TURN * value.detach() for name, value in values.items()}

    def dreamed(
        self, world: WorldTransformer, clean: Tensor, controls: Tensor, carried: Tensor,
        draw: torch.Generator,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
        """Every second frame, dreamed from a past that was dreamed, as play does in two looks.

        Dreamed and real frames, what they started from and the frame before, each [b' n c]. Only
        the last look has gradients.
        """
        flow = self.flow.flow
        now = played(world, self.carrier, clean, controls, carried, flow, draw)
        noise = torch.randn(clean.shape, generator=draw)
        with without_gradients(clean.device):
            first = now.look(world, noise, 0.0)
        begun = now.begun(first, noise, flow.warm_start)
        last = now.look(world, begun, flow.warm_start)
        return tuple(now.of(x) for x in (last, clean, now.start, now.own.roll(1, 1)))

    def validate(self, network: WithCritic) -> dict[str, float]:
        return self.flow.validate(network.world)

    def draw(self, network: WithCritic, path: Path) -> None:
        self.flow.draw(network.world, path)

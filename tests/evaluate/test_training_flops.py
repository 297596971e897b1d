"""Operations of an update: by formula, and as PyTorch counts them."""

from types import SimpleNamespace

import pytest
import torch
from tiny import LATENTS, MOVING_WORLD, TOKENIZER, motion, tokenizer, world
from torch.utils.flop_counter import FlopCounterMode

from worldmodel.evaluate.flops import look
from worldmodel.evaluate.training_flops import scoring_flops
from worldmodel.model.carrier import Carrier
from worldmodel.train.objectives.rectified_flow import FlowConfig
from worldmodel.train.objectives.scoring import Scoring, ScoringConfig


class Stub:
    """What scoring asks of the flow objective."""

    frames_per_step, seed, flow = 1, 0, FlowConfig()
    weights = torch.ones(MOVING_WORLD.latent_channels)

    def update_of(self, step):
        return step


def test_of_scoring_motion_is_a_trifle_and_the_rest_is_counted():
    clips, frames, keep = 2, 12, 2
    carrier = Carrier(motion().requires_grad_(False), tokenizer().requires_grad_(False))
    latents = torch.randn(clips, frames, LATENTS, MOVING_WORLD.latent_channels)
    batch = latents, torch.zeros(clips, frames, MOVING_WORLD.controls), latents.clone()
    with FlopCounterMode(display=False) as counter:
        loss, _ = Scoring(Stub(), carrier, ScoringConfig(keep=keep)).loss(
            world(MOVING_WORLD).train(), batch, 1
        )
        loss.backward()
    about = SimpleNamespace(tokenizer=TOKENIZER, world=MOVING_WORLD)
    both = keep * scoring_flops(about, clips * frames, keep, 1)
    scored = both - 3 * clips * frames * look(MOVING_WORLD)
    assert counter.get_total_flops() == pytest.approx(scored, rel=0.15)
